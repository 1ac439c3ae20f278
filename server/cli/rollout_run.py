"""Runs rollout commands: makes one publication, and prints the results."""

import asyncio
import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import click
import msgspec

from hening.times import show_time
from server.bootstrap import open_rollouts
from server.cli.clock import witnessed_clock
from server.cli.database import operator
from server.cli.options import now
from server.cli.output import print_preview
from server.cli.urgent import ask_server
from server.console.texts import describe_change
from server.core.bundle import MAX_RESULT, decode_result
from server.core.names import Channel
from server.publisher.build_names import BuildName
from server.publisher.errors import PublishError
from server.publisher.incoming import list_submissions
from server.publisher.published import load_published
from server.release.api import PREFIX
from server.release.errors import NotFoundError
from server.release.rollouts.changes import ChangeView, State
from server.release.rollouts.commands import (
    ChangeRequest,
    ChannelView,
    Command,
    Halt,
    Pause,
    action_of,
    view_channel,
)
from server.release.rollouts.preview import Preview, describe_state
from server.release.rollouts.repeated import explain_unrecorded
from server.release.rollouts.rollouts import Rollouts
from server.settings import Settings
from server.storage.bounded import read_bounded
from server.storage.errors import StorageError
from server.storage.layout import StateFolder

#: A running server publishes bundles on its disk within seconds, unless it is busy.
PATIENCE_SECONDS = 60.0
PAUSE_SECONDS = 0.1  # the interval in which a server checks for bundles


def wait_for_bundles(
    folder: StateFolder,
    waiting: Sequence[str],
    say: Callable[[str], None],
    monotonic: Callable[[], float],
    pause: Callable[[float], None],
) -> None:
    """Wait until a running server has taken the bundles `waiting`.

    Raises PublishError for a bundle that the server refuses, and after PATIENCE_SECONDS.
    """
    deadline, is_announced = monotonic() + PATIENCE_SECONDS, False
    while remaining := set(waiting) & set(list_submissions(folder.incoming)):
        if not is_announced:
            say(
                f"Waiting for `hening-server run` to take {_count(remaining)} in {folder.incoming}."
            )
            is_announced = True
        if monotonic() > deadline:
            raise PublishError(
                f"the server has not published {_count(remaining)} in {folder.incoming}, which this"
                " command may need: start `hening-server run`, or read its log, then run the"
                " command again."
            )
        pause(PAUSE_SECONDS)
    for identity in waiting:
        result = decode_result(read_bounded(folder.results / f"{identity}.json", MAX_RESULT))
        if result.status == "refused":
            raise PublishError(f"the server refused bundle {result.id[:16]}: {result.reason}")


def _count(bundles: Sequence[str] | set[str]) -> str:
    return "1 bundle" if len(bundles) == 1 else f"{len(bundles)} bundles"


MakeCommand = Callable[[ChannelView], Command]


class CommandResult(msgspec.Struct, frozen=True):
    """The used members of the API's answer to a command (`server.release.api.channels`)."""

    change: ChangeView | None
    unrecorded: str = ""


@dataclass(frozen=True, slots=True)
class CommandOptions:
    """The options of every rollout command."""

    public_url: str
    if_match: str
    due: int | None
    note: str
    dry_run: bool
    as_json: bool
    is_halt: bool
    is_offer: bool


def show_channel(view: ChannelView) -> dict[str, Any]:
    """Return the facts that are shown of a channel with an offer."""
    pointer = view.require_pointer()
    return {
        "channel": str(view.channel),
        "counter": pointer.steps[-1].counter,
        "permille": pointer.permille_at(int(now().timestamp())),
        "state": describe_state(pointer),
        "schedule": [list(pair) for pair in pointer.schedule],
        "steps": [step.counter for step in pointer.steps],
        "etag": view.etag,
        "build": msgspec.to_builtins(view.names.find(view.channel, pointer.steps[-1].counter)),
    }


def run_commands(
    folder: StateFolder,
    settings: Settings,
    places: list[Channel],
    make: MakeCommand,
    options: CommandOptions,
) -> None:
    """Carry out the commands that `make` returns for each channel, and print their results."""
    alarms: list[str] = []
    principal = operator()
    clock = witnessed_clock(folder)

    async def act() -> tuple[list[Preview], list[ChangeView], list[ChannelView]]:
        async with open_rollouts(
            folder, settings, clock, os.urandom, options.public_url, alarms.append
        ) as rollouts:
            requests = await _make_requests(rollouts, places, make, options, failures)
            if options.dry_run:
                return (
                    [await rollouts.preview(request, due_at=options.due) for request in requests],
                    [],
                    [],
                )
            changes = await rollouts.request(principal, requests, due_at=options.due)
            views = [await rollouts.view(request.channel) for request in requests]
            dropped.extend(map(_explain, requests, changes, views))
            return [], changes, views

    def attempt() -> tuple[list[Preview], list[ChangeView], list[ChannelView]]:
        failures.clear()
        if (stopped := _stop_by_server(folder, places, make, options, dropped)) is not None:
            return [], *stopped
        return asyncio.run(act())

    failures: list[str] = []
    dropped: list[str] = []  # why reasons of repeated halts or pauses are not recorded
    waiting = list_submissions(folder.incoming)
    try:
        previews, changes, views = attempt()
    except (PublishError, NotFoundError) as refusal:
        # A release that was just signed may still have to be published.
        if not (options.is_offer and waiting):
            raise
        try:
            wait_for_bundles(folder, waiting, _report, time.monotonic, time.sleep)
        except PublishError as error:
            raise PublishError(f"{str(refusal).rstrip('.')}; {error}") from error
        previews, changes, views = attempt()
    if options.dry_run:
        _show_previews(previews, as_json=options.as_json)
    else:
        _print_results(changes, views, alarms, dropped, as_json=options.as_json)
    if failures:
        halted = "the other channels are halted" if changes else "nothing is halted"
        raise NotFoundError(f"{halted}: {' '.join(failures)}")


def _explain(request: ChangeRequest, change: ChangeView, view: ChannelView) -> str:
    return explain_unrecorded(request, change, {} if view.pointer is None else view.pointer.reason)


def _report(sentence: str) -> None:
    click.echo(sentence, err=True)


def _stop_by_server(
    folder: StateFolder,
    places: list[Channel],
    make: MakeCommand,
    options: CommandOptions,
    dropped: list[str],
) -> tuple[list[ChangeView], list[ChannelView]] | None:
    """Ask a running server to halt or pause a channel; None if the command has to do it itself.

    The command does it itself for several channels, because they are published together, and the
    server has no single request for that.
    """
    if options.dry_run or options.public_url or options.due is not None or len(places) > 1:
        return None
    (place,) = places
    command = make(view_channel(place, load_published(folder.public)))
    if not isinstance(command, Halt | Pause):
        return None
    reply = ask_server(
        folder,
        operator(),
        f"{PREFIX}/channels/{place}/{action_of(command)}",
        {"reason": command.reason, "note": options.note},
        {} if isinstance(command, Halt) else {"If-Match": options.if_match},
    )
    if reply is None:
        return None
    answer = msgspec.json.decode(reply, type=CommandResult)
    dropped.append(answer.unrecorded)
    changes = [] if answer.change is None else [answer.change]
    return changes, [view_channel(place, load_published(folder.public))]


async def _make_requests(
    rollouts: Rollouts,
    places: list[Channel],
    make: MakeCommand,
    options: CommandOptions,
    failures: list[str],
) -> list[ChangeRequest]:
    """Return the request for each channel; of halts, only those with something to halt.

    Other commands are carried out for all channels or none.
    """
    requests = []
    for place in places:
        try:
            request = ChangeRequest(
                place, make(await rollouts.view(place)), options.if_match, options.note
            )
            if options.is_halt:
                await rollouts.check(request)
        except NotFoundError as error:
            if not options.is_halt:
                raise
            failures.append(str(error))
        else:
            requests.append(request)
    return requests


def _show_previews(previews: list[Preview], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps([msgspec.to_builtins(each) for each in previews]))
        return
    for each in previews:
        print_preview(each)


def _describe_result(change: ChangeView, row: dict[str, Any] | None) -> str:
    if change.state != State.DONE:
        waits = "approval" if change.state == State.WAITING else show_time(change.due_at)
        return (
            f"The command to {describe_change(change)} waits for {waits}: it is change {change.id}."
        )
    if row is None:
        return f"{change.channel} offers nothing, and its waiting changes are cancelled."
    build, place = msgspec.convert(row["build"], BuildName).title, row["channel"]
    share, since = f"{row['permille'] / 10:g}%", f"This is in snapshot {change.snapshot}."
    if row["state"] == "halted":
        return (
            f"{build} is halted in {place}: from now on no phone installs it or switches to it."
            f" It had been offered to {share} of the phones. {since}"
        )
    if row["state"] == "paused":
        return f"{build} is paused in {place}: it stays offered to {share} of the phones. {since}"
    return f"{place} offers {build} to {share} of its phones. {since}"


def _print_results(
    changes: list[ChangeView],
    views: list[ChannelView],
    alarms: list[str],
    dropped: list[str],
    *,
    as_json: bool,
) -> None:
    for sentence in filter(None, dropped):
        _report(sentence)
    rows = [show_channel(view) for view in views if view.pointer is not None]
    snapshot = max((change.snapshot for change in changes), default=0)
    if as_json:
        rows_json = [msgspec.to_builtins(change) for change in changes]
        answer = {"channels": rows, "snapshot": snapshot, "alarms": alarms, "changes": rows_json}
        click.echo(json.dumps(answer))
    else:
        shown_by = {row["channel"]: row for row in rows}
        for change in changes:
            click.echo(_describe_result(change, shown_by.get(change.channel)))
    if alarms:
        raise StorageError(f"published, but the read-back failed: {alarms[0]}")

"""`rollout`: commands for channels, published now or when they are due."""

from __future__ import annotations

import contextlib
import functools
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from hening.times import UTC_TIMES, show_day
from server.cli.options import JSON, STATE, complete_channel, now, read_settings, require_state
from server.cli.output import print_preview
from server.cli.plan_options import parse_moment, plan_options
from server.cli.signed_commands import promote, retire, split, withdraw
from server.core.content.invisible import escape_invisible
from server.core.errors import FormatError
from server.core.names import decode_channel, decode_pointer_path
from server.release.rollouts.plan import Plan
from server.storage.errors import StorageError
from server.tables import print_table

if TYPE_CHECKING:
    from server.cli.rollout_run import MakeCommand
    from server.release.rollouts.commands import ChannelView, Offer

CHANNELS = click.argument(
    "channels",
    nargs=-1,
    required=True,
    metavar="CHANNEL...",
    shell_complete=complete_channel,
)


def _check_url(_context: click.Context, _option: click.Parameter, value: str) -> str:
    """Refuse an address before anything is published."""
    if value and not re.fullmatch(r"https?://[A-Za-z0-9.\[\]:-]+/?", value):
        raise click.BadParameter("it does not have the form http://HOST:PORT.")
    return value


PUBLIC_URL = click.option(
    "--public-url",
    default="",
    callback=_check_url,
    help="Read the result back from this address instead of from disk.",
)
IF_MATCH = click.option(
    "--if-match", default="", help="Refuse unless the channel still has this entity tag."
)
DUE = click.option(
    "--due", default="", help="Carry it out at this time; `run` must be running then."
)
NOTE = click.option("--note", default="", help="Why, for the record.")
DRY_RUN = click.option(
    "--dry-run", is_flag=True, help="Change nothing; print what phones would be offered."
)


def rollout_command(command: Callable[..., MakeCommand]) -> Callable[..., None]:
    """Make a click command from a function that returns the rollout command of each channel."""

    @CHANNELS
    @STATE
    @IF_MATCH
    @DUE
    @NOTE
    @DRY_RUN
    @PUBLIC_URL
    @JSON
    @functools.wraps(command)
    def run(
        channels: tuple[str, ...],
        state: Path,
        public_url: str,
        if_match: str,
        due: str,
        note: str,
        dry_run: bool,
        as_json: bool,
        **options: Any,
    ) -> None:
        from server.cli.rollout_run import CommandOptions, run_commands
        from server.release.rollouts.commands import ANY

        make = command(**options)
        settings = read_settings(state)
        # A halt or pause does not wait for a shared tree, because a running server is asked first.
        stops = command.__name__ in {"halt", "pause"}
        folder = require_state(state, settings, newest=not stops)
        if stops and folder.tree is not None:
            from server.storage.tree import open_tree

            with contextlib.suppress(StorageError):  # the store is unreachable
                open_tree(folder).follow()
        places = [decode_channel(channel) for channel in dict.fromkeys(channels)]
        if if_match and len(places) > 1:
            raise click.UsageError("--if-match is the tag of one channel: name only that one.")
        moment = parse_moment(due) if due else None
        is_halt, is_offer = (command.__name__ == name for name in ("halt", "offer"))
        if due and is_halt:
            raise click.UsageError("a halt cannot be delayed: leave out --due.")
        shared = CommandOptions(
            public_url, if_match or ANY, moment, note, dry_run, as_json, is_halt, is_offer
        )
        run_commands(folder, settings, places, make, shared)

    return run


REASONS = click.option("--reason", "reasons", multiple=True, help="LOCALE=TEXT, shown to owners.")


@click.group(
    epilog="Example: hening-server rollout offer armani/id/stable --state var/server --share 1%"
)
def rollout() -> None:
    """Offer a release, raise its share, pause, halt or withdraw it."""


@rollout.command(
    epilog="Example: hening-server rollout offer armani/id/stable --state var/server"
    " --counter 2 --stage 1%=1d --stage 10%=2d --stage 100% --zone Asia/Jakarta"
    " --window 'mon-thu 09:00-17:00'"
)
@click.option("--counter", type=int, help="The release's counter.  [default: the newest]")
@plan_options
@rollout_command
def offer(counter: int | None, plan: Plan) -> MakeCommand:
    """Offer a signed release in each CHANNEL (CODENAME/REGION/CHANNEL), published together."""
    from server.publisher.rollout import newest_counter
    from server.release.rollouts.commands import Offer

    def make(view: ChannelView) -> Offer:
        chosen = newest_counter(view.channel, view.releases) if counter is None else counter
        if chosen < 1:
            raise FormatError("counters begin at 1: `rollout preview` shows the existing builds.")
        return Offer(chosen, plan)

    return make


@rollout.command(
    "set", epilog="Example: hening-server rollout set armani/id/stable --state S --share 100%"
)
@plan_options
@rollout_command
def set_share(plan: Plan) -> MakeCommand:
    """Raise the share of the fleet, now or by a new schedule; resumes a paused rollout."""
    from server.release.rollouts.commands import Schedule

    return lambda _view: Schedule(plan)


@rollout.command(epilog="Example: hening-server rollout pause armani/id/stable --state S")
@REASONS
@rollout_command
def pause(reasons: tuple[str, ...]) -> MakeCommand:
    """Freeze the reached share."""
    from server.release.rollouts.commands import Pause

    command = Pause(_texts(reasons))
    return lambda _view: command


@rollout.command(epilog="Example: hening-server rollout resume armani/id/stable --state S")
@rollout_command
def resume() -> MakeCommand:
    """Resume after a pause; the remaining stages are delayed by its length."""
    from server.release.rollouts.commands import Resume

    return lambda _view: Resume()


@rollout.command(
    epilog="Example: hening-server rollout halt armani/id/stable --state S --reason en='It drains'"
)
@REASONS
@rollout_command
def halt(reasons: tuple[str, ...]) -> MakeCommand:
    """Stop admitting phones, including those that have not switched slots yet.

    It is final for the release, and cancels all waiting changes of the channel.
    """
    from server.release.rollouts.commands import Halt

    command = Halt(_texts(reasons))
    return lambda _view: command


@rollout.command(epilog="Example: hening-server rollout show --state var/server")
@STATE
@UTC_TIMES
@JSON
def show(state: Path, as_json: bool) -> None:
    """Show the offer of every channel, and its share."""
    from server.cli.rollout_run import show_channel
    from server.publisher.published import load_published
    from server.release.rollouts.commands import view_channel

    folder = require_state(state)
    published = load_published(folder.public)
    paths = [] if published is None else sorted(published.pointers())
    rows = [show_channel(view_channel(decode_pointer_path(path), published)) for path in paths]
    if as_json:
        click.echo(json.dumps(rows))
        return
    print_table(
        "",
        ("channel", "build", "share", "state"),
        [
            (row["channel"], _describe_build(row), f"{row['permille'] / 10:g}%", row["state"])
            for row in rows
        ],
        empty="No channel offers a build yet: `hening-server rollout offer` offers one.",
    )


def _describe_build(row: dict[str, Any]) -> str:
    from server.publisher.build_names import BuildName

    build = msgspec.convert(row["build"], BuildName)
    lines = [build.title, build.facts(show_day), build.changelog, f"tag {row['etag']}"]
    return "\n".join(escape_invisible(line) for line in lines if line)


@rollout.command(
    epilog="Example: hening-server rollout preview armani/id/stable --state var/server"
)
@click.argument("channel", metavar="CHANNEL", shell_complete=complete_channel)
@STATE
@UTC_TIMES
@JSON
def preview(channel: str, state: Path, as_json: bool) -> None:
    """Show what phones of each build are offered, and when each share is reached."""
    from server.publisher.published import load_published
    from server.release.rollouts.commands import view_channel
    from server.release.rollouts.preview import preview as make_preview

    folder, place = require_state(state), decode_channel(channel)
    view = view_channel(place, load_published(folder.public))
    result = make_preview(place, view.require_pointer(), view.releases, int(now().timestamp()))
    if as_json:
        click.echo(json.dumps(msgspec.to_builtins(result)))
    else:
        print_preview(result)


for command in (withdraw, promote, retire, split):
    rollout.add_command(command)


def _texts(reasons: tuple[str, ...]) -> dict[str, str]:
    pairs = [text.partition("=") for text in reasons]
    if any(not mark for _, mark, _ in pairs):
        raise click.UsageError("a reason is LOCALE=TEXT, such as --reason en='It drains'.")
    return {locale: text for locale, _, text in pairs}

"""`change`: changes that wait for their time or for an approval."""

from __future__ import annotations

import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote

import click
import msgspec

from hening.times import UTC_TIMES
from server.cli.clock import witnessed_clock
from server.cli.database import operator
from server.cli.options import JSON, STATE, complete_channel, read_settings, require_state
from server.cli.output import print_change, print_changes
from server.cli.rollout import PUBLIC_URL
from server.cli.urgent import ask_server
from server.core.content.invisible import escape_invisible
from server.core.names import decode_channel
from server.release.api import PREFIX
from server.storage.errors import StorageError

if TYPE_CHECKING:
    from server.release.rollouts.changes import ChangeView
    from server.release.rollouts.rollouts import Rollouts

T = TypeVar("T")
_ID = "01a224f9a4d4d7409c4d6161fa9d33c0"  # a whole id, because prefixes are not accepted
CHANGE = click.argument("change", metavar="CHANGE")
REASON = click.option("--reason", default="", help="Why, for the record.")


@click.group("change", epilog="Example: hening-server change list --state var/server")
def change_group() -> None:
    """Show, approve, reject and cancel changes that wait.

    A command acts as `cli:USER`, with all rights, because a user who can write the state folder has
    its keys. Users cannot approve changes that they proposed themselves.
    """


@change_group.command("list", epilog="Example: hening-server change list --state var/server")
@STATE
@click.option("--waiting", is_flag=True, help="Only changes that wait for approval.")
@click.option(
    "--channel", default="", shell_complete=complete_channel, help="Only changes of this channel."
)
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=50, help="The maximum number of changes."
)
@UTC_TIMES
@JSON
def list_changes(state: Path, waiting: bool, channel: str, limit: int, as_json: bool) -> None:
    """List changes with their builds and results, the newest first."""
    from server.release.rollouts.changes import State

    if channel:
        decode_channel(channel)
    chosen = State.WAITING if waiting else ""
    found = _run(state, "", lambda r: r.find(state=chosen, channel=channel, limit=limit))
    if as_json:
        click.echo(json.dumps([msgspec.to_builtins(change) for change in found]))
        return
    if not found:
        click.echo("No such change." if waiting or channel else "There is no change yet.")
    print_changes(found)


@change_group.command(epilog=f"Example: hening-server change show {_ID} --state var/server")
@CHANGE
@STATE
@UTC_TIMES
@JSON
def show(change: str, state: Path, as_json: bool) -> None:
    """Show one change: its build and plan, its proposer and approver, and its result."""
    found = _run(state, "", lambda r: r.get(change))
    if as_json:
        click.echo(json.dumps(msgspec.to_builtins(found)))
    else:
        print_change(found)


@change_group.command(epilog=f"Example: hening-server change approve {_ID} --state var/server")
@CHANGE
@STATE
@PUBLIC_URL
@JSON
def approve(change: str, state: Path, public_url: str, as_json: bool) -> None:
    """Approve a change that another account proposed; if it is due, it is published now."""
    principal = operator()
    _print_result(_run(state, public_url, lambda r: r.approve(principal, change)), as_json=as_json)


@change_group.command(epilog=f"Example: hening-server change reject {_ID} --state var/server")
@CHANGE
@REASON
@STATE
@JSON
def reject(change: str, reason: str, state: Path, as_json: bool) -> None:
    """Reject a change that waits for approval."""
    principal = operator()
    _print_result(_run(state, "", lambda r: r.reject(principal, change, reason)), as_json=as_json)


@change_group.command(epilog=f"Example: hening-server change cancel {_ID} --state var/server")
@CHANGE
@REASON
@STATE
@JSON
def cancel(change: str, reason: str, state: Path, as_json: bool) -> None:
    """Cancel a change that is not carried out yet."""
    from server.release.rollouts.changes import ChangeView

    principal = operator()
    folder = require_state(state, read_settings(state), newest=False)
    path = f"{PREFIX}/changes/{quote(change, safe='')}/cancel"
    reply = ask_server(folder, principal, path, {"reason": reason})
    cancelled = (
        _run(state, "", lambda r: r.cancel(principal, change, reason))
        if reply is None
        else msgspec.json.decode(reply, type=ChangeView)
    )
    _print_result(cancelled, as_json=as_json)


def _run(state: Path, public_url: str, work: Callable[[Rollouts], Awaitable[T]]) -> T:
    import asyncio

    from server.bootstrap import open_rollouts

    settings = read_settings(state)
    folder = require_state(state, settings)
    alarms: list[str] = []
    clock = witnessed_clock(folder)

    async def act() -> T:
        async with open_rollouts(
            folder, settings, clock, os.urandom, public_url, alarms.append
        ) as rollouts:
            return await work(rollouts)

    result = asyncio.run(act())
    if alarms:
        raise StorageError(f"published, but the read-back failed: {alarms[0]}")
    return result


def _print_result(change: ChangeView, *, as_json: bool) -> None:
    from server.console.texts import describe_change

    if as_json:
        click.echo(json.dumps(msgspec.to_builtins(change)))
        return
    why = f": {escape_invisible(change.reason)}" if change.reason else "."
    click.echo(f"The command to {describe_change(change)} is {change.state}{why}")

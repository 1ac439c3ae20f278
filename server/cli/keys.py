"""`keys`: rotates the online keys; before a switch the signers list the next key."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

import click

from server.cli.clock import witnessed_clock
from server.cli.database import recorded
from server.cli.key_process import public, serve
from server.cli.options import JSON, STATE, require_state
from server.cli.rollout import PUBLIC_URL
from server.core.names import ONLINE_ROLES
from server.storage.errors import StorageError
from server.storage.layout import StateFolder
from server.tables import print_table

if TYPE_CHECKING:
    from server.publisher.keys.choice import KeyState
    from server.publisher.publisher import Publisher
    from server.stores import Clock

T = TypeVar("T")
EVERY = "all"
HOLDERS = (*ONLINE_ROLES, "log")
NAMES = click.argument(
    "names",
    nargs=-1,
    required=True,
    metavar="ROLE...",
    type=click.Choice([*HOLDERS, EVERY]),
)


@click.group(epilog="Example: hening-server keys list --state var/server")
def keys() -> None:
    """Rotate the keys that this server signs with, or run them in a separate process.

    Create next keys, have the signers list them, submit the signed metadata, then switch. ROLE is
    latest, snapshot, timestamp, log, or all.
    """


@keys.command(epilog="Example: hening-server keys new snapshot timestamp --state var/server")
@NAMES
@STATE
@click.option("--afresh", is_flag=True, help="After a theft: discard an existing next key.")
@PUBLIC_URL
@JSON
def new(names: tuple[str, ...], state: Path, afresh: bool, public_url: str, as_json: bool) -> None:
    """Make the next key of each ROLE and its public half for the signers.

    It does not sign before root (for latest: targets) lists it. The log's next key signs in
    addition to the current one from now on. An existing next key is kept, or replaced with
    --afresh. If only the next key is listed, it signs already, and the command is refused: switch
    to it first.
    """
    from server.publisher.keys.rotation import make_next_keys

    folder = require_state(state)
    chosen = _names(names)
    result, alarms = _run(
        folder,
        witnessed_clock(folder),
        public_url,
        lambda p: make_next_keys(p, folder, chosen, afresh=afresh),
        recorded(folder, "keys.new", chosen, {"afresh": afresh}),
    )
    notes = dict.fromkeys(
        result.existing, "the existing next key is kept; replace it with --afresh after a theft"
    )
    if result.unsigned:
        reason = result.unsigned.rstrip(".")
        notes["log"] = f"the next key signs from the next root on, because {reason}"
    _show(folder, as_json=as_json, notes=notes)
    if not as_json:
        click.echo(f"Take {folder.keys}/public.json to the signers; it names the next keys.")
    _print_alarms(alarms)


@keys.command(epilog="Example: hening-server keys switch snapshot timestamp --state var/server")
@NAMES
@STATE
@click.option("--at-once", is_flag=True, help="After a theft: do not wait for caches.")
@PUBLIC_URL
@JSON
def switch(
    names: tuple[str, ...], state: Path, at_once: bool, public_url: str, as_json: bool
) -> None:
    """Make the next key of each ROLE the current one and remove the former.

    It is refused until 75 seconds after root (for latest: targets) has listed the next key.
    """
    from server.publisher.keys.rotation import switch_keys

    folder = require_state(state)
    chosen = _names(names)
    clock = witnessed_clock(folder)
    switched, alarms = _run(
        folder,
        clock,
        public_url,
        lambda p: switch_keys(p, folder, chosen, clock, at_once=at_once),
        recorded(folder, "keys.switch", chosen, {"at_once": at_once}),
    )
    _show(folder, as_json=as_json)
    if not switched and not as_json:
        click.echo("There was no next key to switch to; the current keys have signed again.")
    _print_alarms(alarms)


@keys.command("list", epilog="Example: hening-server keys list --state var/server")
@STATE
@JSON
def list_keys(state: Path, as_json: bool) -> None:
    """Show the keys of each role, which of them are listed, and which sign."""
    _show(require_state(state), as_json=as_json)


keys.add_command(serve)
keys.add_command(public)


def _names(names: tuple[str, ...]) -> tuple[str, ...]:
    return HOLDERS if EVERY in names else tuple(dict.fromkeys(names))


def _run(
    folder: StateFolder,
    clock: Clock,
    public_url: str,
    work: Callable[[Publisher], Awaitable[T]],
    recording: AbstractAsyncContextManager[dict[str, Any]],
) -> tuple[T, list[str]]:
    """Return the result of `work`, and the alarms of the read-back, which are recorded."""
    import asyncio

    from server.bootstrap import disk_read_back, open_publisher

    alarms: list[str] = []

    async def act() -> T:
        read_back = disk_read_back(folder, public_url)
        async with (
            recording as outcome,
            open_publisher(folder, clock, read_back, alarms.append) as publisher,
        ):
            result = await work(publisher)
            await publisher.read_backs.wait()
            outcome["alarms"] = list(alarms)
            return result

    return asyncio.run(act()), alarms


def _show(
    folder: StateFolder, *, as_json: bool, notes: Mapping[str, str] = MappingProxyType({})
) -> None:
    """Show the keys of each role, and the notes on roles."""
    from server.publisher.keys.choice import describe_keys
    from server.publisher.keys.holder import load_keys
    from server.publisher.published import load_published

    states = describe_keys(load_keys(folder), load_published(folder.public))
    if as_json:
        rows = [
            {
                "role": state.name,
                "current": state.current,
                "next": state.following or None,
                "listed": list(state.listed),
                "signing": list(state.signing),
                "note": notes.get(state.name, ""),
            }
            for state in states
        ]
        click.echo(json.dumps(rows))
        return
    shown = [
        (state.name, kind, _short(key), *_marks(state, key))
        for state in states
        for kind, key in (("current", state.current), ("next", state.following))
        if key
    ]
    print_table("", ("role", "key", "id", "listed", "signs"), shown)
    for name, note in notes.items():
        click.echo(f"{name}: {note}.")


def _marks(state: KeyState, key: str) -> tuple[str, str]:
    return ("yes" if key in state.listed else "no", "yes" if key in state.signing else "no")


def _short(key: str) -> str:
    """Return the part of a key's id that people compare; a log key has it between plus signs."""
    return key.split("+")[1] if "+" in key else key[:16]


def _print_alarms(alarms: list[str]) -> None:
    if alarms:
        raise StorageError(f"published, but the read-back failed: {alarms[0]}")

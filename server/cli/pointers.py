"""What every command of `rollout` shares: options, one publication, what is shown of it."""

import asyncio
import functools
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from server.app import disk_read_back, open_publisher
from server.cli.options import JSON, STATE, now, require_state
from server.cli.recorded import recorded
from server.core.names import Channel, decode_channel
from server.core.pointer import Pointer
from server.publisher.errors import PublishError
from server.publisher.published import Published, load_published
from server.storage.errors import StorageError
from server.storage.layout import StateFolder

CHANNELS = click.argument("channels", nargs=-1, required=True, metavar="CHANNEL...")


def _check_url(_context: click.Context, _option: click.Parameter, value: str) -> str:
    """Refuse an address before anything is published."""
    if value and not re.fullmatch(r"https?://[A-Za-z0-9.\[\]:-]+/?", value):
        raise click.BadParameter("it is not of the form http://HOST:PORT.")
    return value


PUBLIC_URL = click.option(
    "--public-url",
    default="",
    callback=_check_url,
    help="Read the result back from this address instead of disk.",
)
Change = Callable[[Channel, Published, Pointer | None], Pointer]


def changes_pointers(command: Callable[..., Change]) -> Callable[..., None]:
    """Make a command of a function that returns what to do with each channel's pointer."""

    @CHANNELS
    @STATE
    @PUBLIC_URL
    @JSON
    @functools.wraps(command)
    def run(
        channels: tuple[str, ...], state: Path, public_url: str, as_json: bool, **options: Any
    ) -> None:
        edit = command(**options)
        action = f"rollout.{click.get_current_context().info_name}"
        given = {name: _plain(value) for name, value in options.items() if value not in {None, ""}}
        _publish(require_state(state), channels, edit, public_url, action, given, as_json=as_json)

    return run


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def _publish(
    folder: StateFolder,
    channels: tuple[str, ...],
    edit: Change,
    public_url: str,
    action: str,
    given: Mapping[str, Any],
    *,
    as_json: bool,
) -> None:
    places = [decode_channel(channel) for channel in dict.fromkeys(channels)]
    alarms: list[str] = []
    telling = recorded(folder, action, [str(place) for place in places], given)

    def edit_all(published: Published) -> Mapping[str, Pointer]:
        pointers = published.pointers()
        edited = {
            place.pointer_path: edit(place, published, pointers.get(place.pointer_path))
            for place in places
        }
        return {**pointers, **edited}

    async def change() -> int:
        read_back = disk_read_back(folder, public_url)
        async with (
            telling as outcome,
            open_publisher(folder, now, read_back, alarms.append) as publisher,
        ):
            snapshot = await publisher.change_pointers(edit_all)
            outcome.update(snapshot=snapshot, alarms=list(alarms))
            return snapshot

    snapshot = asyncio.run(change())
    published = load_published(folder.public)
    pointers = {} if published is None else published.pointers()
    rows = [describe(place.pointer_path, pointers[place.pointer_path]) for place in places]
    if as_json:
        click.echo(json.dumps({"channels": rows, "snapshot": snapshot, "alarms": alarms}))
    else:
        for row in rows:
            click.echo(
                f"{row['channel']} offers counter {row['counter']} to {row['permille'] / 10}% of"
                f" its phones ({row['state']}), published in snapshot {snapshot}."
            )
    if alarms:
        raise StorageError(f"published, but the read-back failed: {alarms[0]}")


def describe(path: str, pointer: Pointer) -> dict[str, Any]:
    """Return what `rollout` shows of one pointer."""
    state = "halted" if pointer.halted else "paused" if pointer.paused else "offered"
    return {
        "channel": path.removeprefix("latest/"),
        "counter": pointer.steps[-1].counter,
        "permille": pointer.permille_at(int(now().timestamp())),
        "state": state,
        "schedule": [list(pair) for pair in pointer.schedule],
        "steps": [step.counter for step in pointer.steps],
    }


def require(channel: Channel, pointer: Pointer | None) -> Pointer:
    """Return the pointer, or raise PublishError where nothing was offered yet."""
    if pointer is None:
        raise PublishError(f"{channel} offers nothing yet: use `rollout offer` first.")
    return pointer

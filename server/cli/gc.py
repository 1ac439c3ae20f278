"""`gc`: blobs that nothing names are removed after a grace period."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from server.cli.options import CONFIG, JSON, STATE, now, read_settings, require_state
from server.cli.recorded import recorded
from server.cli.witnessed import witnessed_clock
from server.core.quantities import spell_size

if TYPE_CHECKING:
    from server.publisher.garbage import Garbage

_GRACE = re.compile(r"([0-9]{1,5})([dhm])")
_UNITS = {"d": "days", "h": "hours", "m": "minutes"}


def _decode_grace(_context: click.Context, _option: click.Parameter, value: str) -> timedelta:
    match = _GRACE.fullmatch(value)
    if match is None:
        raise click.BadParameter("it is a number with d, h or m, such as 7d.")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


@click.command(epilog="Example: hening-server gc --state var/server --grace 14d --dry-run")
@STATE
@click.option(
    "--grace",
    default="7d",
    show_default=True,
    callback=_decode_grace,
    help="How long ago a blob must have come, such as 7d, 12h or 30m.",
)
@click.option("--dry-run", is_flag=True, help="Say what would go, and remove nothing.")
@CONFIG
@JSON
def gc(state: Path, grace: timedelta, dry_run: bool, config: Path | None, as_json: bool) -> None:
    """Remove blobs that no served metadata, waiting bundle or upload names."""
    import asyncio

    from server.opening import open_blobs, open_publisher
    from server.publisher.read_back import DiskReadBack

    settings = read_settings(state, config)
    folder = require_state(state, settings)
    alarms: list[str] = []
    clock = witnessed_clock(folder)
    # A dry run changes nothing, so there is nothing to tell.
    detail = {"grace_seconds": int(grace.total_seconds())}
    telling = recorded(folder, "server.gc", () if dry_run else ("blobs",), detail)

    async def collect() -> Garbage:
        blobs = open_blobs(folder, settings, now)
        read_back = DiskReadBack(folder.public)
        async with (
            telling as outcome,
            open_publisher(folder, clock, read_back, alarms.append, blobs) as publisher,
        ):
            found = await publisher.collect_garbage(grace, dry_run=dry_run)
            outcome.update(removed=len(found.removed), octets=found.octets)
            return found

    garbage = asyncio.run(collect())
    if as_json:
        removed = [{"length": blob.length, "sha256": blob.sha256} for blob in garbage.removed]
        click.echo(
            json.dumps(
                {
                    "dry_run": dry_run,
                    "named": garbage.named,
                    "octets": garbage.octets,
                    "removed": removed,
                    "young": garbage.young,
                }
            )
        )
        return
    for blob in garbage.removed:
        click.echo(f"{blob.sha256}  {blob.length}")
    verb = "would be removed" if dry_run else "removed"
    click.echo(
        f"{len(garbage.removed)} blobs {verb} ({spell_size(garbage.octets)});"
        f" {garbage.named} are named, {garbage.young} are too young."
    )

"""`compat`: shows the answers to existing Updater apps, and the line for their configuration."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hening.times import UTC_TIMES, show_second
from server.cli.options import CONFIG, JSON, STATE, now, read_settings, require_state
from server.core.errors import FormatError
from server.release.errors import NotFoundError

if TYPE_CHECKING:
    from server.compat.offers import Model
    from server.compat.rendering import Rendered

DIALECTS = ("lineage1", "lineage2", "graphene", "calyx", "custota", "crdroid", "pixelexperience")
DIALECT = click.argument("dialect", type=click.Choice(DIALECTS), metavar="DIALECT")


@click.group(
    "compat",
    epilog="Example: hening-server compat preview lineage2 FP4 nightly --state var/server",
)
def compat() -> None:
    """Show the dialects of existing Updater apps."""


@compat.command(
    epilog="Example: hening-server compat preview lineage2 FP4 nightly --state var/server"
)
@DIALECT
@click.argument("device", metavar="DEVICE")
@click.argument("channel", metavar="CHANNEL")
@click.option(
    "--at",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]),
    help="From this time on, UTC.  [default: now]",
)
@STATE
@CONFIG
@UTC_TIMES
@JSON
def preview(
    dialect: str,
    device: str,
    channel: str,
    at: datetime | None,
    state: Path,
    config: Path | None,
    as_json: bool,
) -> None:
    """Show what the app of DIALECT would get now, and at each step of the schedule.

    DEVICE and CHANNEL are the app's names in the settings.
    """
    from server.compat.rendering import find_faults, render
    from server.device.snapshot import EMPTY, load_snapshot
    from server.stores import open_blobs

    settings = read_settings(state, config)
    folder = require_state(state, settings)
    options = _narrow(settings.compat, dialect, device, channel)
    start = int((now() if at is None else at.replace(tzinfo=UTC)).timestamp())
    snapshot = load_snapshot(folder.public, open_blobs(folder, settings, now), EMPTY)
    rendered = render(options, snapshot, start)
    moments = [start, *dict.fromkeys(time for time, _ in rendered.changes)]
    rows = [_describe(rendered, moment) for moment in moments]
    faults = list(find_faults(rendered, start))
    if as_json:
        click.echo(json.dumps({"faults": faults, "moments": rows}))
        return
    for row in rows:
        offer = row["offer"] or "nothing"
        click.echo(f"From {show_second(row['time'])}: {offer}")
        for path, body in row["pages"].items():
            click.echo(f"  {path}")
            click.echo("\n".join(f"    {line}" for line in body.splitlines()))
    for fault in faults:
        click.echo(f"Not offered: {fault}.")


def _narrow(options: Any, dialect: str, device: str, channel: str) -> Any:  # noqa: ANN401 - imported later
    """Return the options for one dialect, device and channel; raises NotFoundError."""
    import msgspec

    for name, known, table in (
        (device, options.devices, "devices"),
        (channel, options.channels, "channels"),
    ):
        if name not in known:
            raise NotFoundError(
                f"[compat.{table}] has no {name[:64]}: it has {', '.join(known) or 'nothing'}."
            )
    return msgspec.structs.replace(
        options,
        dialects=(dialect,),
        devices={device: options.devices[device]},
        channels={channel: options.channels[channel]},
        one_channel="",
    )


def _describe(rendered: "Rendered", moment: int) -> dict[str, Any]:
    from server.compat.offers import offer_at
    from server.compat.pages import Page

    model: Model | None = next(iter(rendered.models), None)
    builds = (
        [] if model is None else [offer_at(each, moment) for each in model.channel_offers.values()]
    )
    pages = {
        path: content.body.decode()
        for path, content in sorted(rendered.at(moment).items())
        if isinstance(content, Page)
    }
    offer = next((each.full.path for each in builds if each is not None), "")
    return {"offer": offer, "pages": pages, "time": moment}


@compat.command(epilog="Example: hening-server compat template lineage2 --state var/server")
@DIALECT
@STATE
@CONFIG
def template(dialect: str, state: Path, config: Path | None) -> None:
    """Print the line for the app's build configuration."""
    from server.compat.dialects import DIALECTS as TABLE

    url = read_settings(state, config).compat.public_url
    if not url:
        raise FormatError("[compat] has no public_url: set the address for apps.")
    found = next(each for name, each in TABLE.items() if name == dialect)
    click.echo(found.configuration.format(url=url))

"""`export`: a static mirror of the device plane."""

import dataclasses
import json
from pathlib import Path

import click

from server.cli.options import CONFIG, JSON, STATE, now, read_settings, require_state
from server.cli.progress import progress_bar
from server.core.quantities import spell_size


@click.command(epilog="Example: hening-server export --state var/server --out /srv/mirror")
@STATE
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="The mirror's folder: empty at first, and written by `export` alone.",
)
@click.option("--hardlink", is_flag=True, help="Give packages a second name instead of copying.")
@CONFIG
@JSON
def export(state: Path, out: Path, hardlink: bool, config: Path | None, as_json: bool) -> None:
    """Write what phones may ask for as files, for nginx or a CDN; again, and only what changed.

    Readers see the old mirror or the new one, and never a pointer to what is not there.
    """
    from server.opening import open_blobs
    from server.publisher.mirror import export_mirror

    settings = read_settings(state, config)
    folder = require_state(state, settings)
    blobs = open_blobs(folder, settings, now)
    with progress_bar() as advance:
        done = export_mirror(folder, blobs, out, link=hardlink, progress=advance)
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(done)))
    else:
        click.echo(
            f"{out} mirrors timestamp {done.version}: {done.files} files, {done.written} written"
            f" ({spell_size(done.octets)}), {done.removed} removed."
        )

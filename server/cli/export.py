"""`export`: writes a static mirror of the device plane, or of the dialects of Updater apps.

`owner-page`: writes a page for owners about what their phones send, which any host can serve.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from hening.times import UTC_TIMES, show_second
from server.cli.options import CONFIG, JSON, STATE, now, read_settings, require_state
from server.core.errors import FormatError
from server.core.quantities import spell_size
from server.release.errors import NotFoundError

if TYPE_CHECKING:
    from server.compat.options import CompatOptions
    from server.publisher.mirror.steps import Mirror
    from server.settings import Settings
    from server.storage.blobs import BlobStore
    from server.storage.layout import StateFolder

LINE_EACH = 1 << 30
Advance = Callable[[str, int, int], None]
"""Called with the current task, the bytes done, and all bytes."""


@contextmanager
def progress_bar() -> Iterator[Advance]:
    """Yield a function that shows progress on standard error until the block ends."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _line_printer()
        return
    columns = (
        *(TextColumn("{task.description}"), BarColumn()),
        *(DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=None)

        def show(label: str, done: int, total: int) -> None:
            progress.update(task, description=label, completed=done, total=total)

        yield show


def _line_printer() -> Advance:
    shown = 0

    def show(label: str, done: int, total: int) -> None:
        nonlocal shown
        if done // LINE_EACH > shown:
            shown = done // LINE_EACH
            click.echo(f"{label}: {spell_size(done)} of {spell_size(total)}", err=True)

    return show


@click.command(epilog="Example: hening-server export --state var/server --out /srv/mirror")
@STATE
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="The mirror's folder: empty at first, and only `export` may write to it.",
)
@click.option(
    "--to",
    "bucket",
    default="",
    metavar="URL",
    help="The mirror's bucket, s3://BUCKET/PREFIX; settings give endpoint, region and key.",
)
@click.option("--hardlink", is_flag=True, help="Hard-link packages instead of copying them.")
@click.option(
    "--compat", "is_compat", is_flag=True, help="Write the files of existing Updater apps instead."
)
@CONFIG
@UTC_TIMES
@JSON
def export(
    state: Path,
    out: Path | None,
    bucket: str,
    hardlink: bool,
    is_compat: bool,
    config: Path | None,
    as_json: bool,
) -> None:
    """Write the files that phones may request, for nginx or a CDN; later runs write only changes.

    Readers see the old mirror or the new one, and never a pointer to a missing file. The lists of
    existing Updater apps depend on the time: with --compat run it every minute.
    """
    if (out is None) is (not bucket):
        raise click.UsageError("name the mirror: --out for a folder, or --to for a bucket.")
    if bucket and (hardlink or is_compat):
        option = "--hardlink" if hardlink else "--compat"
        raise click.UsageError(f"{option} writes files into a folder: give --out, not --to.")
    from server.publisher.mirror.steps import export_mirror
    from server.stores import open_blobs

    settings = read_settings(state, config)
    folder = require_state(state, settings)
    blobs = open_blobs(folder, settings, now)
    if out is not None and is_compat:
        _export_dialects(folder, blobs, settings.compat, out, as_json=as_json)
        return
    mirror = _open_mirror(out, bucket, settings, link=hardlink)
    with progress_bar() as advance:
        result = export_mirror(folder, blobs, mirror, progress=advance)
    if as_json:
        row = dataclasses.asdict(result)
        click.echo(json.dumps({"octets": row.pop("size"), **row}))
    else:
        click.echo(
            f"{out or bucket} mirrors timestamp {result.version}: {result.files} files,"
            f" {result.written} written ({spell_size(result.size)}), {result.removed} removed."
        )


def _open_mirror(out: Path | None, bucket: str, settings: Settings, *, link: bool) -> Mirror:
    if out is not None:
        from server.publisher.mirror.folder import MirrorFolder

        return MirrorFolder(out, link=link)
    from server.publisher.mirror.bucket import MirrorBucket
    from server.stores import load_place

    return MirrorBucket(load_place(bucket, "--to", settings), now)


def _export_dialects(
    folder: StateFolder, blobs: BlobStore, options: CompatOptions, out: Path, *, as_json: bool
) -> None:
    from server.dialect_export import export_dialects

    result = export_dialects(folder, blobs, options, out, int(now().timestamp()))
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(result)))
        return
    later = f"; a list changes {show_second(result.next_change)}" if result.next_change else ""
    click.echo(
        f"{out} has {result.files} files of dialects: {result.written} written, {result.removed}"
        f" removed{later}."
    )


@click.command(
    "owner-page",
    epilog="Example: hening-server owner-page --state var/server --url https://updates.rom.example"
    " --out what-your-phone-sends.html",
)
@click.option(
    "--url", default="", help="The address for phones.  [default: public_url of the settings]"
)
@click.option(
    "--out",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The HTML file to write; an older one is replaced.",
)
@STATE
@CONFIG
def owner_page(url: str, out: Path, state: Path, config: Path | None) -> None:
    """Write the page "what your phone sends", which a ROM can host anywhere.

    It shows the requests byte by byte, with the currently published models and packs.
    """
    from server.owner_page import render_owner_page
    from server.publisher.published import load_published
    from server.storage.durable import READABLE, write_durable

    settings = read_settings(state, config)
    address = url or settings.public_url
    if not address:
        raise FormatError(
            "give the address for phones: --url https://HOST, or public_url in settings."
        )
    published = load_published(require_state(state, settings).public)
    if published is None:
        raise NotFoundError("nothing is published yet, so there is nothing to show.")
    page = render_owner_page(published, address, now(), has_dialects=bool(settings.compat.dialects))
    write_durable(out, page.encode(), mode=READABLE)
    click.echo(f"{out} shows what phones send to {address} now.")

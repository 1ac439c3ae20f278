"""`owner-page`: a page for owners about what their phones send."""

from pathlib import Path

import click

from server.cli.options import CONFIG, STATE, now, read_settings, require_state
from server.core.errors import FormatError
from server.release.errors import NotFoundError


@click.command(
    "owner-page",
    epilog="Example: hening-server owner-page --state var/server --url https://updates.rom.example"
    " --out what-your-phone-sends.html",
)
@click.option("--url", default="", help="Where phones ask.  [default: public_url of the settings]")
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

    It shows the requests byte by byte, with the models and packs that are published now.
    """
    from server.owner_page import render_owner_page
    from server.publisher.published import load_published
    from server.storage.durable import READABLE, write_durable

    settings = read_settings(state, config)
    address = url or settings.public_url
    if not address:
        raise FormatError("say where phones ask: --url https://HOST, or public_url in settings.")
    published = load_published(require_state(state, settings).public)
    if published is None:
        raise NotFoundError("nothing is published yet, so there is nothing to show.")
    page = render_owner_page(published, address, now(), has_dialects=bool(settings.compat.dialects))
    write_durable(out, page.encode(), mode=READABLE)
    click.echo(f"{out} shows what phones send to {address} now.")

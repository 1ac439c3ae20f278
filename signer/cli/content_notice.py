"""`content add-notice`: a notice to owners, written into the folder that its pack is built from."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from signer.cli.output import json_option, print_json
from signer.cli.parameters import CODENAME, FOLDER, ChangelogText, collected
from signer.cli.runtime import Runtime

_DAY = click.DateTime(["%Y-%m-%d"])


@click.command(
    epilog="Example: hening-signer content add-notice alarm-clock --title 'en=The alarm clock'"
    " --body 'en=Build 1.2.0 repairs it.' --source notices --source-name 'Our ROM'"
    " --source-licence CC-BY-4.0"
)
@click.argument("key")
@click.option("--source", type=FOLDER, required=True, help="The folder; made where missing.")
@click.option(
    "--title",
    type=ChangelogText(),
    multiple=True,
    callback=collected,
    required=True,
    metavar="LOCALE=TEXT",
    help="May be repeated.",
)
@click.option(
    "--body",
    type=ChangelogText(),
    multiple=True,
    callback=collected,
    required=True,
    metavar="LOCALE=TEXT",
    help="In the same languages.",
)
@click.option(
    "--published",
    type=_DAY,
    metavar="DATE",
    help="The first day on which it is shown. Default: today.",
)
@click.option(
    "--end",
    type=_DAY,
    metavar="DATE",
    help="The first day on which it is not shown. Default: no end.",
)
@click.option(
    "--severity",
    type=click.Choice(["info", "important", "urgent"]),
    default="info",
    show_default=True,
    help="How urgent it is.",
)
@click.option(
    "--model", "models", type=CODENAME, multiple=True, help="May be repeated. Default: all models."
)
@click.option("--source-name", default="", help="Of a new folder: who writes it.")
@click.option("--source-licence", default="", help="Of a new folder: an SPDX expression.")
@json_option
@click.pass_obj
def add_notice(
    runtime: Runtime,
    key: str,
    source: Path,
    title: dict[str, str],
    body: dict[str, str],
    published: datetime | None,
    end: datetime | None,
    severity: str,
    models: tuple[str, ...],
    source_name: str,
    source_licence: str,
    as_json: bool,
) -> None:
    """Add a notice to a folder that `content build notices` reads.

    Lines are added to index.yaml and to a file for each language; what is there stays.
    """
    from signer.content.sources import news

    if not (source / news.INDEX).exists() and not (source_name and source_licence):
        raise click.UsageError("A new folder needs --source-name and --source-licence.")
    if title.keys() != body.keys():
        raise click.UsageError("--title and --body are for the same languages.")
    members = {"severity": severity, "published": f"{published or runtime.now:%Y-%m-%d}"}
    members |= {} if end is None else {"end": f"{end:%Y-%m-%d}"}
    members |= {"models": f"[{', '.join(models)}]"} if models else {}
    texts = {locale: (title[locale], body[locale]) for locale in title}
    head = {"source": source_name, "version": "1", "licence": source_licence}
    files = list(map(str, news.add_notice(source, key, members, texts, head)))
    if as_json:
        print_json({"files": files, "key": key})
    else:
        click.echo(f"{key} is in {', '.join(files)}, shown from {members['published']} on.")

"""`content`: write, build, validate, diff, release, schedule, withdraw, review and list packs."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
from msgspec import UNSET

from hening.times import UTC_TIMES, show_second
from server.core.content.kinds import CONTENT_ROLES
from server.place_options import place_option
from server.tables import print_table
from signer.cli.content_build import build, diff, validate
from signer.cli.content_release import release, schedule, withdraw
from signer.cli.content_review import review
from signer.cli.output import json_option, print_json
from signer.cli.parameters import CODENAME, FOLDER, ChangelogText, collected
from signer.cli.runtime import Runtime
from signer.content.upstream import importing_extra
from signer.errors import WorkFolderError, refusing

if TYPE_CHECKING:
    from server.core.content.index import Index


_DAY = click.DateTime(["%Y-%m-%d"])


@click.command(
    epilog="Example: hening-signer content add-notice alarm-clock --title 'en=The alarm clock'"
    " --body 'en=Build 1.2.0 repairs it.' --source notices --source-name 'Our ROM'"
    " --source-licence CC-BY-4.0"
)
@click.argument("key")
@click.option("--source", type=FOLDER, required=True, help="The folder; made if missing.")
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
@click.option("--source-name", default="", help="For a new folder: its author.")
@click.option("--source-licence", default="", help="For a new folder: an SPDX expression.")
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

    Lines are added to index.yaml and to a file for each language; existing lines stay.
    """
    with importing_extra():
        from signer.content.sources import news
    if not (source / news.INDEX).exists() and not (source_name and source_licence):
        raise click.UsageError("A new folder needs --source-name and --source-licence.")
    if title.keys() != body.keys():
        raise click.UsageError("--title and --body must be in the same languages.")
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


@click.group("content", epilog="Example: hening-signer content build zones --out packs/zones-1")
def content_commands() -> None:
    """Build packs of tables and texts, and sign the packs that phones get."""


@content_commands.command("list", epilog="Example: hening-signer content list --repo repo")
@place_option("repo", type=FOLDER, help="The working folder.")
@UTC_TIMES
@json_option
def list_command(repo: Path, as_json: bool) -> None:
    """List the packs in the current versions of the working folder."""
    from server.core.content.index import decode_index
    from signer.signing import load_delegated, load_trusted
    from signer.work_folder import WorkFolder

    folder = WorkFolder(repo)
    trusted = load_trusted(folder, None)
    listed: dict[str, tuple[int, Index]] = {}
    for role in CONTENT_ROLES:
        _, targets = load_delegated(folder, trusted, role)
        with refusing(WorkFolderError):
            listed[role] = (targets.version, decode_index(role, targets))
    if as_json:
        print_json(
            {
                "packs": [
                    {
                        "end": pack.end or 0,
                        "kind": kind,
                        "role": role,
                        "rollout": [list(step) for step in pack.rollout],
                        "start": pack.start,
                        "version": pack.version,
                        "withdrawn": pack.withdrawn,
                    }
                    for role, (_, index) in listed.items()
                    for kind, pack in index.packs.items()
                ]
            }
        )
        return
    for role, (version, index) in listed.items():
        print_table(
            f"{role} {version}, links to {', '.join(index.hosts) or 'no host'}",
            ("kind", "version", "from", "until", "share at last", "withdrawn"),
            [
                (
                    kind,
                    str(pack.version),
                    show_second(pack.start),
                    "" if pack.end is UNSET else show_second(pack.end),
                    f"{pack.rollout[-1][1] / 10:g}%",
                    ", ".join(map(str, pack.withdrawn)),
                )
                for kind, pack in index.packs.items()
            ],
            empty="No pack is signed yet: `content release` signs them.",
        )


for _command in (add_notice, build, validate, diff, release, schedule, withdraw, review):
    content_commands.add_command(_command)

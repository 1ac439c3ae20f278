"""`content`: write, build, validate, diff, release, schedule, withdraw, review and list packs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
from msgspec import UNSET

from hening.times import UTC_TIMES, show_second
from server.core.content.kinds import CONTENT_ROLES
from server.place_options import place_option
from server.tables import print_table
from signer.cli.content_build import build, diff, validate
from signer.cli.content_notice import add_notice
from signer.cli.content_release import release, schedule, withdraw
from signer.cli.content_review import review
from signer.cli.output import json_option, print_json
from signer.cli.parameters import FOLDER
from signer.errors import WorkFolderError, refusing

if TYPE_CHECKING:
    from server.core.content.index import Index


@click.group("content", epilog="Example: hening-signer content build zones --out packs/zones-1")
def content_commands() -> None:
    """Build packs of tables and texts, and sign what all phones get of them."""


@content_commands.command("list", epilog="Example: hening-signer content list --repo repo")
@place_option("repo", type=FOLDER, help="The working folder.")
@UTC_TIMES
@json_option
def list_command(repo: Path, as_json: bool) -> None:
    """List the packs that the working folder's current versions hold."""
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

"""`release`: plan, sign, submit, withdraw, promote, prune, retire and list releases."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hening.times import UTC_TIMES, show_second
from server.place_options import place_option
from server.tables import print_table
from signer.cli.output import json_option, print_json
from signer.cli.parameters import CODENAME, FOLDER, complete_part
from signer.cli.release_edits import promote, prune, retire, withdraw
from signer.cli.release_sign import plan, sign
from signer.cli.remote import Place, remote_options, submit_bundles
from signer.cli.runtime import Runtime

if TYPE_CHECKING:
    from server.core.release import Release


@click.command(
    "submit",
    epilog="Example: hening-signer release submit --to https://updates.example:8443 --token-file"
    " ci.token outgoing/6f0c",
)
@click.argument("bundles", metavar="BUNDLE...", type=FOLDER, nargs=-1, required=True)
@remote_options(required=True)
@json_option
@click.pass_obj
def submit(
    runtime: Runtime,
    bundles: tuple[Path, ...],
    url: str,
    token_file: Path | None,
    token_fd: int | None,
    ca: Path | None,
    as_json: bool,
) -> None:
    """Submit bundles to a server over its API, and wait until they are published.

    BUNDLE is a folder that `--out` has made; several are submitted one after the other. Only
    packages that the server lacks are sent. After an interruption, run the same command again to
    continue. Exit status 1 when the server refuses, with its reason; 3 when it does not answer.
    """
    from signer.remote.submitter import load_outgoing

    outgoing = [load_outgoing(bundle) for bundle in bundles]
    submit_bundles(runtime, Place(url, token_file, token_fd, ca), outgoing, as_json=as_json)


@click.group(
    "release",
    epilog="Example: hening-signer release sign --repo repo --keys keys --region id"
    " --channel stable --changelog en=Fixes --certificate releasekey.x509.pem --out incoming"
    " armani-id-2-full.zip",
)
def release_commands() -> None:
    """Sign packages as releases, withdraw them, and list what is signed."""


@release_commands.command(
    "list", epilog="Example: hening-signer release list --repo repo --codename armani"
)
@place_option("repo", type=FOLDER, help="The working folder.")
@click.option("--codename", type=CODENAME, shell_complete=complete_part, help="One model only.")
@UTC_TIMES
@json_option
def list_command(repo: Path, codename: str | None, as_json: bool) -> None:
    """List the releases in the current versions of the working folder."""
    from signer.release.sign import list_releases
    from signer.work_folder import WorkFolder

    listed = list_releases(WorkFolder(repo), codename)
    if as_json:
        models = [
            {
                "codename": role.role,
                "expires": f"{role.expires:%Y-%m-%dT%H:%M:%SZ}",
                "floor": role.floor,
                "releases": [
                    {
                        "counter": release.counter,
                        "drain_until": release.drain_until or 0,
                        "fingerprint": release.fingerprint,
                        "min_counter": release.min_counter,
                        "path": path,
                        "type": release.type,
                        "withdrawn": release.withdrawn,
                    }
                    for path, release in role.releases.items()
                ],
                "version": role.version,
            }
            for role in listed
        ]
        print_json({"models": models})
        return
    for role in listed:
        suffix = f", builds below {role.floor} are removed" if role.floor else ""
        print_table(
            f"{role.role} {role.version}, expires {role.expires:%Y-%m-%d}{suffix}",
            ("path", "counter", "from", "type", "build", "withdrawn"),
            [
                (
                    path,
                    str(release.counter),
                    _start(release, role.releases.values()),
                    release.type,
                    release.fingerprint,
                    _withdrawn(release),
                )
                for path, release in role.releases.items()
            ],
            empty="No release is signed yet: `release sign` signs packages.",
        )


def _start(release: Release, listed: Iterable[Release]) -> str:
    """Return the builds that a package is for: by counter, or by fingerprint if not listed."""
    if release.type == "full":
        return f"{release.min_counter} or later" if release.min_counter else "any"
    counters = {each.fingerprint: str(each.counter) for each in listed}
    return ", ".join(counters.get(source, source) for source in release.source_builds)


def _withdrawn(release: Release) -> str:
    if not release.withdrawn:
        return "no"
    return f"yes, served until {show_second(release.drain_until)}" if release.drain_until else "yes"


for _command in (plan, sign, submit, withdraw, promote, prune, retire):
    release_commands.add_command(_command)

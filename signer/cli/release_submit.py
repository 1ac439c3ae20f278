"""`release submit`: bundles that were made with `--out` go to a server over its API."""

from pathlib import Path

import click

from signer.cli.failures import json_option
from signer.cli.parameters import FOLDER
from signer.cli.remote import Place, hand_over, remote_options
from signer.cli.surroundings import Surroundings


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
    surroundings: Surroundings,
    bundles: tuple[Path, ...],
    url: str,
    token_file: Path | None,
    token_fd: int | None,
    ca: Path | None,
    as_json: bool,
) -> None:
    """Hand bundles to a server over its API, and wait until they are published.

    BUNDLE is a folder that `--out` has made; several go one after the other. Only packages that the
    server lacks are sent, and after an interruption the same command goes on where it was. Exit
    status 1 when the server refuses, with its reason; 3 when it stays away.
    """
    from signer.remote.submitter import load_outgoing

    outgoing = [load_outgoing(bundle) for bundle in bundles]
    hand_over(surroundings, Place(url, token_file, token_fd, ca), outgoing, as_json=as_json)

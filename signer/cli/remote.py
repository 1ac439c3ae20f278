"""Options and helpers of commands that submit bundles to a server over its API."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from server.core.quantities import spell_size
from server.place_options import is_given, place_option
from signer.cli.output import print_json, progress_bar
from signer.cli.parameters import EXISTING_FILE, FOLDER
from signer.cli.runtime import Runtime
from signer.errors import EnvironmentFailedError, SignerError
from signer.remote.connection import Connection, Server, decode_address

if TYPE_CHECKING:
    from signer.remote.submitter import Outcome, Outgoing

TOKEN_LIMIT = 4096
_TOKEN = re.compile(rb"[\x21-\x7e]{1,4096}")
_F = TypeVar("_F", bound=Callable[..., None])


@dataclass(frozen=True, slots=True)
class Place:
    """The server's address, and the credentials to use."""

    url: str
    token_file: Path | None
    token_fd: int | None
    ca: Path | None


def remote_options(*, required: bool) -> Callable[[_F], _F]:
    """Give a command `--to` and its related options."""

    def decorate(command: _F) -> _F:
        for option in (
            click.option(
                "--ca", type=EXISTING_FILE, help="PEM file of the server's certificate authority."
            ),
            click.option(
                "--token-fd",
                type=click.IntRange(0, 2**31 - 1),
                metavar="N",
                help="Read the API token from file descriptor N.",
            ),
            click.option(
                "--token-file",
                type=click.Path(dir_okay=False, path_type=Path),
                help="Read the API token from a file that only you can read.",
            ),
            click.option(
                "--to",
                "url",
                metavar="URL",
                required=required,
                help="The server's API: https://HOST[:PORT], or http on this machine.",
            ),
        ):
            command = option(command)
        return command

    return decorate


def place_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command `--out` and `--to`, one of which is required; it gets `out` or `place`."""

    @wraps(command)
    def run(
        *arguments: Any,
        out: Path | None,
        url: str | None,
        token_file: Path | None,
        token_fd: int | None,
        ca: Path | None,
        **options: Any,
    ) -> None:
        if url is not None and not is_given("out"):
            out = None
        if (out is None) == (url is None):
            raise click.UsageError("Give --out, a server's `incoming` folder, or --to, its API.")
        place = None if url is None else Place(url, token_file, token_fd, ca)
        command(*arguments, out=out, place=place, **options)

    out = place_option("out", type=FOLDER, required=False, help="The server's `incoming` folder.")
    return out(remote_options(required=False)(run))


@contextmanager
def open_server(runtime: Runtime, place: Place) -> Iterator[Server]:
    """Yield the server that the options name; nothing is sent yet."""
    if (place.token_file is None) == (place.token_fd is None):
        raise click.UsageError("Give the API token: --token-file FILE or --token-fd N.")
    try:
        address = decode_address(place.url)
    except SignerError as error:
        raise click.BadParameter(str(error), param_hint="--to") from error
    connection = Connection(address, _read_token(place), place.ca)
    try:
        yield Server(connection, address.authority, runtime.pause)
    finally:
        connection.close()


def submit_bundles(
    runtime: Runtime, place: Place, bundles: Sequence[Outgoing], *, as_json: bool
) -> None:
    """Submit bundles one after the other, and report the result of each."""
    from signer.remote.submitter import submit_outgoing

    outcomes: list[Outcome] = []
    with open_server(runtime, place) as server, progress_bar("Uploading") as progress:
        for outgoing in bundles:
            outcomes.append(submit_outgoing(server, outgoing, runtime.entropy, progress))
            if not as_json:
                sent = spell_size(outcomes[-1].sent)
                click.echo(
                    f"Published by {server.name} as snapshot {outcomes[-1].snapshot};"
                    f" bundle {outgoing.id}, {sent} of packages were sent."
                )
    if as_json:
        published: list[dict[str, Any]] = [
            {"bundle": each.bundle, "sent": each.sent, "snapshot": each.snapshot}
            for each in outcomes
        ]
        print_json({"published": published})


def _read_token(place: Place) -> str:
    if place.token_file is not None:
        from signer.keys.key_file import SECRET, load_narrow

        data = load_narrow(
            place.token_file, f"The token file {place.token_file}", SECRET, TOKEN_LIMIT + 2
        )
    else:
        assert place.token_fd is not None
        try:
            with os.fdopen(place.token_fd, "rb", closefd=False) as file:
                data = file.read(TOKEN_LIMIT + 2)
        except OSError as error:
            raise EnvironmentFailedError(
                f"Nothing can be read from --token-fd {place.token_fd} ({error.strerror}); open it"
                f" for reading, for example with `{place.token_fd}<FILE`."
            ) from error
    token = data.removesuffix(b"\n")
    if _TOKEN.fullmatch(token) is None:  # without quoting it
        raise SignerError("The input is not an API token; give only the token, on one line.")
    return token.decode("ascii")

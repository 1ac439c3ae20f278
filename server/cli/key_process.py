"""`keys serve` and `keys public`: the online keys in a separate process."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from server.cli.options import now
from server.core.errors import FormatError, TrustError
from server.processes.sockets import notify
from server.storage.bounded import read_bounded
from server.storage.durable import is_private

if TYPE_CHECKING:
    from server.keys.service import KeyService
    from server.keys.sources import KeySource

PIN_LIMIT = 256  # bytes, more than tokens accept
PATH = click.Path(path_type=Path)
F = TypeVar("F", bound=Callable[..., None])


def _sources(command: F) -> F:
    """Add the options for the place of the keys."""
    for option in (
        click.option("--pin-file", type=PATH, help="A file that contains only the token's PIN."),
        click.option("--token", help="Label of the token."),
        click.option(
            "--pkcs11", metavar="MODULE", help="PKCS #11 module of a token with the keys."
        ),
        click.option(
            "--credentials", is_flag=True, help="The keys are credentials of this systemd unit."
        ),
        click.option("--keys", type=PATH, help="Folder with the keys, as made by `init`."),
    ):
        command = option(command)
    return command


@click.command(
    epilog="Example: hening-server keys serve --keys /var/lib/hening-keys/keys --record"
    " /var/lib/hening-keys/record --root 1.root.json --socket /run/hening-keys/keys.sock"
)
@_sources
@click.option(
    "--record", required=True, type=PATH, help="A separate folder for the record of signatures."
)
@click.option("--root", type=PATH, help="The root to pin in a new record, 1.root.json.")
@click.option("--socket", "path", required=True, type=PATH, help="Path of the Unix socket.")
def serve(
    keys: Path | None,
    credentials: bool,
    pkcs11: str | None,
    token: str | None,
    pin_file: Path | None,
    record: Path,
    root: Path | None,
    path: Path,
) -> None:
    """Sign for a publisher without keys, but only metadata that passes this process's own checks.

    The publisher's setting `keys_socket` names the socket. SIGTERM ends the process after the
    current request. Keys in a folder are read for each request, other keys only at the start.
    """
    import asyncio

    from server.core.metadata import ROOT_LIMIT, verify_first_root
    from server.core.profile import log_verifier
    from server.keys.record import open_record
    from server.keys.service import KeyService
    from server.observability import configure_logging

    configure_logging()
    pinned = None if root is None else read_bounded(root, ROOT_LIMIT)
    with contextlib.closing(open_record(record, pinned)) as opened:
        origin = log_verifier(verify_first_root(opened.pinned()).signed).name
        source = _open(keys, pkcs11, token, pin_file, origin, credentials=credentials)
        source.load()
        asyncio.run(_serve(KeyService(source, opened, now), path))


async def _serve(service: KeyService, path: Path) -> None:
    from server.keys.service import serving
    from server.observability import watch_loop

    manager = os.environ.get("NOTIFY_SOCKET", "")
    stop = watch_loop()
    async with serving(service, path):
        click.echo(str(path))
        notify(manager, "READY=1")
        await stop.wait()
        notify(manager, "STOPPING=1")


@click.command(epilog="Example: hening-server keys public --keys /var/lib/hening-keys/keys")
@_sources
@click.option("--log-origin", default="", help="Name of the log, for keys on a token.")
def public(
    keys: Path | None,
    credentials: bool,
    pkcs11: str | None,
    token: str | None,
    pin_file: Path | None,
    log_origin: str,
) -> None:
    """Print the public halves of the keys, the `public.json` for a ceremony."""
    from server.publisher.keys.online_keys import encode_public

    if pkcs11 and not log_origin:
        raise click.UsageError("--pkcs11 needs --log-origin, the name of the log.")
    source = _open(keys, pkcs11, token, pin_file, log_origin, credentials=credentials)
    click.echo(encode_public(source.load()).decode(), nl=False)


def _open(
    keys: Path | None,
    module: str | None,
    token: str | None,
    pin_file: Path | None,
    origin: str,
    *,
    credentials: bool,
) -> KeySource:
    from server.keys.sources import load_credentials
    from server.keys.token import load_token
    from server.publisher.keys.holder import KeyFolder

    if (keys is not None) + credentials + (module is not None) != 1:
        raise click.UsageError("give exactly one of --keys, --credentials and --pkcs11.")
    if keys is not None:
        return KeyFolder(keys)
    if module is None:
        return load_credentials(_credentials())
    if token is None or pin_file is None:
        raise click.UsageError("--pkcs11 needs --token and --pin-file.")
    if not is_private(pin_file.stat(), os.geteuid()):
        raise TrustError(f"others may read {pin_file}: run `chmod 600 {pin_file}`.")
    try:
        pin = read_bounded(pin_file, PIN_LIMIT).decode().strip()
    except UnicodeDecodeError:
        raise FormatError(f"{pin_file} does not hold a PIN.") from None
    return load_token(module, token, pin, origin)


def _credentials() -> Path:
    folder = os.environ.get("CREDENTIALS_DIRECTORY", "")
    if not folder:
        raise click.UsageError(
            "--credentials works only in a systemd unit with LoadCredential= lines."
        )
    return Path(folder)

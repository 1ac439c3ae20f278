"""Checks of settings: the modes of files with secrets, and the configured dialects."""

import stat
from collections.abc import Iterator
from pathlib import Path

import msgspec

from server.compat.offers import find_held_back
from server.compat.options import SENTENCE, CompatOptions
from server.compat.rendering import Rendered, find_faults, render
from server.core.errors import HeningError
from server.device.snapshot import EMPTY, load_snapshot
from server.publisher.maintenance.checks.finding import Finding, summarise
from server.settings import Settings
from server.storage.blobs import BlobStore
from server.storage.durable import is_private
from server.storage.layout import PostgresAddress, StateFolder

NAMES = ("s3_secret_file", "oidc_client_secret_file", "tls_key", "api_key")
"""Settings that name a file with a secret."""


def check_settings_files(file: Path, settings: Settings, user: int) -> Iterator[Finding]:
    """Check the modes of the settings `file`, which may be missing, and of the files it names.

    `user` is the id of the server's user. The server uses files with wrong modes, except keys and
    the console's client secret, which it refuses.
    """
    places = [(Path(path), name) for name in NAMES if (path := getattr(settings, name))]
    if settings.compat.tls_key:
        places.append((Path(settings.compat.tls_key), "compat.tls_key"))
    places += [(file, name) for name in list_secrets(file)]
    errors = [sentence for path, name in places for sentence in _describe(path, name, user)]
    yield from summarise("settings", f"{len(places)} secrets, for the server's user alone", errors)


def list_secrets(file: Path) -> list[str]:
    """Return the keys of a settings file whose values are secrets. Raises FormatError."""
    values = msgspec.toml.decode(file.read_bytes()) if file.exists() else {}
    found = ["s3_secret"] if values.get("s3_secret") else []
    if (url := values.get("database_url")) and PostgresAddress(url).has_password:
        found.append("database_url")
    return found


def _describe(path: Path, name: str, user: int) -> Iterator[str]:
    try:
        found = path.stat()
    except OSError as error:
        yield f"{path} ({name}) cannot be inspected: {error.strerror}."
        return
    if not is_private(found, user):
        # The server's group must still be able to read a file of root.
        narrow = "g-w,o-rwx" if found.st_uid == 0 != user else "600"
        yield (
            f"others may read or change {path} ({name}, mode {stat.S_IMODE(found.st_mode):04o}):"
            f" run `chmod {narrow} {path}`, and replace the secret if they could have."
        )


def check_dialects(
    folder: StateFolder, options: CompatOptions, blobs: BlobStore, now: int
) -> Iterator[Finding]:
    """Yield the notice on privacy, builds that a dialect cannot offer, and stopped channels.

    Yields nothing if no dialect is configured.
    """
    if not options.dialects:
        return
    yield Finding("dialects", SENTENCE)
    try:
        rendered = render(options, load_snapshot(folder.public, blobs, EMPTY), now)
    except (HeningError, OSError) as error:
        yield Finding("dialects", "", str(error))
        return
    faults = [f"{fault}." for fault in find_faults(rendered, now)]
    yield from summarise("dialects", f"{len(options.dialects)} spoken", faults)
    for stopped in _stopped(rendered, now):
        yield Finding("dialects", stopped)


def _stopped(rendered: Rendered, now: int) -> Iterator[str]:
    for model in rendered.models:
        for offers in model.channel_offers.values():
            release = find_held_back(offers, now)
            if release is not None:
                yield (
                    f"{model.device} {offers.name} has stopped before counter {release.counter},"
                    f" which needs {release.min_counter}"
                )

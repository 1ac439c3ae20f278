"""Checks who may read the settings' secrets, and the files that the settings name."""

import stat
from collections.abc import Iterator
from pathlib import Path

import msgspec

from server.publisher.maintenance.checks.finding import Finding, summarise
from server.settings import Settings
from server.storage.durable import is_private
from server.storage.place import PostgresAddress

NAMES = ("s3_secret_file", "oidc_client_secret_file", "tls_key", "api_key")
"""Settings that name a file with a secret."""


def check_settings_files(file: Path, settings: Settings, user: int) -> Iterator[Finding]:
    """Check the modes of the settings' `file`, which may be missing, and of the files it names.

    `user` is the number of the server's user. The server uses such a file in any case, except a key
    and the console's client secret, which it refuses.
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
        yield f"{path} ({name}) cannot be looked at: {error.strerror}."
        return
    if not is_private(found, user):
        narrow = "g-w,o-rwx" if found.st_uid == 0 != user else "600"  # by its group
        yield (
            f"others may read or change {path} ({name}, mode {stat.S_IMODE(found.st_mode):04o}):"
            f" run `chmod {narrow} {path}`, and replace the secret if they could have."
        )

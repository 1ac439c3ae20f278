"""The secret by which the identity provider knows this server, if it is a confidential client."""

import os
import stat
from pathlib import Path

from server.core.errors import FormatError, TrustError
from server.storage.bounded import read_bounded
from server.storage.modes import is_private

SECRET_LIMIT = 1024  # octets


def load_client_secret(file: Path) -> str:
    """Read the secret from a file that holds nothing else, such as a systemd credential.

    Raises TrustError where others may read it, FormatError for what is no secret.
    """
    secret = read_bounded(file, SECRET_LIMIT)
    found = file.stat()
    if not is_private(found, os.geteuid()):
        mode = stat.S_IMODE(found.st_mode)
        raise TrustError(f"{file} has mode {mode:04o}: run `chmod 600 {file}`, others may read it.")
    text = secret.decode("ascii", errors="replace").strip()
    if not text or not text.isascii() or not text.isprintable():
        raise FormatError(f"{file} does not hold a client secret.")
    return text

"""Compares a file with the size and hash of an image."""

import hashlib
from pathlib import Path
from typing import Final

_CHUNK: Final = 1024 * 1024


def is_image(path: Path, size: int, sha256: str) -> bool:
    """Tell whether `path` is a file of `size` bytes with this sha256 in lower-case hex."""
    if not path.is_file() or path.stat().st_size != size:
        return False
    digest = hashlib.sha256()
    buffer = bytearray(_CHUNK)
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(buffer):
            digest.update(memoryview(buffer)[:count])
    return digest.hexdigest() == sha256

"""One name for what a channel shows, by which rows remember it."""

import hashlib

from server.core.encodings import encode_canonical_json
from server.core.pointer import Pointer, encode_pointer


def hash_pointer(pointer: Pointer | None) -> str:
    """Return the sha256 by which an intent remembers a pointer, of None an empty text."""
    if pointer is None:
        return ""
    return hashlib.sha256(encode_canonical_json(encode_pointer(pointer))).hexdigest()

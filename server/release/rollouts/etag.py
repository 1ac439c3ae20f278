"""The entity tag of a channel: the state that the author of a change had seen.

It is the hash of the pointer and of the version of the model's role, whose releases decide what can
be offered. The version of `latest` is left out on purpose: each renewal, and every change of
another channel, would make all tags stale.
"""

import hashlib
import re

from server.core.encodings import encode_canonical_json
from server.core.errors import FormatError
from server.core.pointer import Pointer, encode_pointer
from server.release.errors import PreconditionError

ANY = "*"
_TAG = re.compile(r'"[\x21\x23-\x7e]{1,200}"')


def channel_etag(pointer: Pointer | None, role_version: int) -> str:
    """Return the entity tag, with its quotation marks."""
    custom = None if pointer is None else encode_pointer(pointer)
    data = encode_canonical_json({"pointer": custom, "role": role_version})
    return f'"{hashlib.sha256(data).hexdigest()[:32]}"'


def read_if_match(text: str) -> list[str]:
    """Return the tags of an If-Match, quotation marks included; `*` only alone.

    Raises FormatError for other texts and for weak tags, which never match (RFC 9110 section
    13.1.1).
    """
    tags = [tag.strip() for tag in text.split(",")]
    if tags != [ANY] and any(_TAG.fullmatch(tag) is None for tag in tags):
        raise FormatError("If-Match is * or a list of quoted entity tags.")
    return tags


def is_match(if_match: str, etag: str) -> bool:
    """Answer whether an If-Match lists `etag` or is `*`."""
    tags = read_if_match(if_match)
    return tags == [ANY] or etag in tags


def check_if_match(if_match: str, etag: str) -> None:
    """Raise PreconditionError unless `if_match` lists the `etag` of a channel."""
    if not is_match(if_match, etag):
        raise PreconditionError(
            "the channel has changed meanwhile: look at it again, and repeat with its new ETag."
        )


def hash_pointer(pointer: Pointer | None) -> str:
    """Return the sha256 that an intent stores of a pointer; an empty text for None."""
    if pointer is None:
        return ""
    return hashlib.sha256(encode_canonical_json(encode_pointer(pointer))).hexdigest()

"""The entity tag of a channel: what somebody had seen when they asked for a change.

It is the hash of the pointer and of the version of the model's role, whose releases decide what can
be offered. The version of `latest` is left out on purpose: every other channel's change, and each
renewal, would make all tags stale that people hold.
"""

import hashlib

from server.core.encodings import encode_canonical_json
from server.core.pointer import Pointer, encode_pointer
from server.release.errors import PreconditionError

ANY = "*"


def channel_etag(pointer: Pointer | None, role_version: int) -> str:
    """Return the entity tag, with its quotation marks."""
    custom = None if pointer is None else encode_pointer(pointer)
    data = encode_canonical_json({"pointer": custom, "role": role_version})
    return f'"{hashlib.sha256(data).hexdigest()[:32]}"'


def check_if_match(if_match: str, etag: str) -> None:
    """Raise PreconditionError unless `if_match`, as a request has it, lists `etag`.

    `*` stands for whatever is there; weak tags never match (RFC 9110 section 13.1.1).
    """
    if if_match.strip() != ANY and etag not in [part.strip() for part in if_match.split(",")]:
        raise PreconditionError(
            "the channel has changed meanwhile: look at it again, and repeat with its new ETag."
        )

"""The header `Upload-Metadata` of tus 1.0.0: what a client says of the octets that it will send.

    Upload-Metadata: sha256 NGIy...,filename YXJt...

Pairs of a key and a base64 text, separated by commas. Only `sha256` is read, which must be there:
64 lower-case hex digits. Other keys are for the client's own use and are not kept.
"""

import base64
import re

from server.core.encodings import check_sha256, decode_base64
from server.core.errors import FormatError

METADATA_LIMIT = 4096
"""Characters of the header: a hash and a file name have under 600."""
_KEY = re.compile(r"[!-+\--~]{1,64}")  # ASCII without space and comma


def decode_upload_metadata(text: str) -> str:
    """Return the sha256 that an `Upload-Metadata` header announces, in hex.

    Raises FormatError for a header that is malformed, repeats a key or has no `sha256`.
    """
    if len(text) > METADATA_LIMIT:
        raise FormatError(f"Upload-Metadata is longer than {METADATA_LIMIT} characters.")
    values: dict[str, bytes] = {}
    for pair in text.split(",") if text else ():
        key, _, encoded = pair.strip(" ").partition(" ")
        if _KEY.fullmatch(key) is None or key in values:
            raise FormatError("Upload-Metadata is not of the form `KEY BASE64,KEY BASE64`.")
        values[key] = decode_base64(encoded)
    if "sha256" not in values:
        raise FormatError("Upload-Metadata has no `sha256`: announce the hash of all the octets.")
    sha256 = values["sha256"].decode(errors="backslashreplace")
    check_sha256(sha256)
    return sha256


def encode_upload_metadata(sha256: str) -> str:
    """Return the header for a hash: what is kept of the one that a client sent."""
    return f"sha256 {base64.b64encode(sha256.encode()).decode()}"

"""Small files in memory, with their headers and their gzip form."""

import base64
import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

ONE_MINUTE = "public, max-age=60"
IMMUTABLE = "public, max-age=31536000, immutable"
Headers = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Representation:
    """One coding of a small file, with the headers that describe it."""

    body: bytes
    etag: str
    headers: Headers


@dataclass(frozen=True, slots=True)
class Document:
    """A small file in memory; `compressed` where a gzip form exists."""

    identity: Representation
    compressed: Representation | None


def make_document(url: str, body: bytes, *, mutable: bool) -> Document:
    """Return the file that is served at `url`; a `mutable` one is cached for a minute."""
    cache = ONE_MINUTE if mutable else IMMUTABLE
    if url.startswith("/log/tile/"):
        headers = _headers("application/octet-stream", cache, body, None)
        return Document(Representation(body, headers["ETag"], headers), None)
    kind = "application/json" if url.endswith(".json") else "text/plain; charset=utf-8"
    packed = gzip.compress(body, 9, mtime=0)
    identity = _headers(kind, cache, body, "identity")
    compressed = _headers(kind, cache, packed, "gzip")
    return Document(
        Representation(body, identity["ETag"], identity),
        Representation(packed, compressed["ETag"], compressed),
    )


def _headers(kind: str, cache: str, body: bytes, coding: str | None) -> dict[str, str]:
    digest = hashlib.sha256(body)
    headers = {
        "Content-Type": kind,
        "Cache-Control": cache,
        "ETag": f'"sha256-{digest.hexdigest()}"',
        "Repr-Digest": f"sha-256=:{base64.b64encode(digest.digest()).decode()}:",
    }
    if coding is not None:
        headers["Vary"] = "Accept-Encoding"
    if coding == "gzip":
        headers["Content-Encoding"] = "gzip"
    return headers

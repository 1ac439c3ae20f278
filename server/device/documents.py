"""Small files in memory: each representation as the octets that are sent of it."""

import base64
import gzip
import hashlib
from collections.abc import Mapping

import msgspec

ONE_MINUTE = "public, max-age=60"
IMMUTABLE = "public, max-age=31536000, immutable"
Headers = Mapping[str, str]


class Representation(msgspec.Struct, frozen=True, gc=False):
    """One coding of a small file, serialised once.

    `octets` are an answer without its status line and `Date`: header fields, an empty line, the
    body. The first `head` of them end with the empty line. `unmodified` is the same for a 304.
    """

    octets: bytes
    head: int
    etag: str
    unmodified: bytes

    @property
    def body(self) -> bytes:
        """The octets behind the header fields."""
        return self.octets[self.head :]

    @property
    def headers(self) -> Headers:
        """The header fields, in the order in which they are sent."""
        return decode_fields(self.octets[: self.head])


class Document(msgspec.Struct, frozen=True, gc=False):
    """A small file in memory; `compressed` where a gzip form exists."""

    identity: Representation
    compressed: Representation | None


def make_document(url: str, body: bytes, *, mutable: bool) -> Document:
    """Return the file that is served at `url`; a `mutable` one is cached for a minute."""
    cache = ONE_MINUTE if mutable else IMMUTABLE
    if url.startswith("/log/tile/"):
        return Document(_represent("application/octet-stream", cache, body, None), None)
    kind = "application/json" if url.endswith(".json") else "text/plain; charset=utf-8"
    packed = gzip.compress(body, 9, mtime=0)
    return Document(
        _represent(kind, cache, body, "identity"), _represent(kind, cache, packed, "gzip")
    )


def encode_fields(headers: Headers) -> bytes:
    """Return header fields and the empty line behind them."""
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode() + b"\r\n"


def decode_fields(octets: bytes) -> Headers:
    """Return what `encode_fields` was given."""
    lines = octets.decode().removesuffix("\r\n\r\n").split("\r\n")
    return {name: value for name, _, value in (line.partition(": ") for line in lines)}


def unmodified_headers(headers: Headers) -> Headers:
    """Return the fields that a 304 has of those of a 200 (RFC 9110 section 15.4.5)."""
    return {name: headers[name] for name in ("Cache-Control", "ETag", "Vary") if name in headers}


def _represent(kind: str, cache: str, body: bytes, coding: str | None) -> Representation:
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
    headers["Content-Length"] = str(len(body))
    fields = encode_fields(headers)
    unmodified = encode_fields(unmodified_headers(headers))
    return Representation(fields + body, len(fields), headers["ETag"], unmodified)

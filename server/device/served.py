"""What one process answers from: a snapshot, and the requests of phones with their answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TypeAlias
from urllib.parse import urlsplit

from server.device.answer import not_there
from server.device.documents import Document, encode_fields
from server.device.gate import GateMode, phone_request
from server.device.snapshot import EMPTY, POINTERS, Snapshot

Hit: TypeAlias = tuple[int, bytes]


@dataclass(frozen=True, slots=True)
class Served:
    """A snapshot as a process serves it; never changed, replaced by one reference.

    `requests` are the documents by the request line that asks for them. `exact` gives for whole
    requests, octet by octet, the status and the answer without status line and `Date`: all that a
    phone asks for, the next root's 404 among it, and what a cache asks in a phone's place.
    """

    snapshot: Snapshot = EMPTY
    hosts: Sequence[bytes] = ()
    mode: GateMode = GateMode.DIRECT
    requests: Mapping[bytes, Document] = field(default_factory=dict)
    exact: Mapping[bytes, Hit] = field(default_factory=dict)


def make_served(
    snapshot: Snapshot, hosts: Sequence[bytes], mode: GateMode, previous: Served
) -> Served:
    """Return `snapshot` as it is served to phones that ask for one of `hosts`.

    What `previous` holds of the same documents is taken over.
    """
    if (previous.hosts, previous.mode) != (hosts, mode):
        previous = Served()
    requests, exact = dict(previous.requests), dict(previous.exact)
    before, after = previous.snapshot.documents, snapshot.documents
    for path, document in before.items():
        if after.get(path) is not document:
            del requests[_line(path)]
            for octets in _hits(path, document, hosts, mode):
                del exact[octets]
    for octets in _absent(previous.snapshot, hosts):
        del exact[octets]
    for path, document in after.items():
        if before.get(path) is not document:
            requests[_line(path)] = document
            exact.update(_hits(path, document, hosts, mode))
    exact.update(_absent(snapshot, hosts))
    return Served(snapshot, hosts, mode, requests, exact)


def _hits(
    path: str, document: Document, hosts: Sequence[bytes], mode: GateMode
) -> dict[bytes, Hit]:
    """Return what is asked for a document by phones, and by a cache whose minute is over."""
    is_revalidated = path in POINTERS and mode is not GateMode.STRICT
    if phone_request(path) is None and not is_revalidated:
        return {}
    sent = document.compressed or document.identity
    hits: dict[bytes, Hit] = {}
    for host in hosts:
        hits[_request(path, host)] = HTTPStatus.OK, sent.octets
        if is_revalidated:
            condition = f"If-None-Match: {sent.etag}\r\n".encode()
            hits[_request(path, host, condition)] = HTTPStatus.NOT_MODIFIED, sent.unmodified
    return hits


def _absent(snapshot: Snapshot, hosts: Sequence[bytes]) -> dict[bytes, Hit]:
    """Return what is asked at each poll and not there: the next root."""
    if not snapshot.next_root:
        return {}
    answer = not_there()
    octets = encode_fields(answer.headers) + answer.body
    return {_request(snapshot.next_root, host): (answer.status, octets) for host in hosts}


def phone_host(url: str) -> bytes:
    """Return the `Host` of a phone whose ROM has the server's address `url`, e.g. http://a:8080."""
    parts = urlsplit(url)
    default = {"http": ":80", "https": ":443"}.get(parts.scheme, "")
    return parts.netloc.removesuffix(default).encode()


def _line(path: str) -> bytes:
    return f"GET {path} HTTP/1.1".encode()


def _request(path: str, host: bytes, condition: bytes = b"") -> bytes:
    """Return a phone's request: docs/FORMATS.md section 9. `condition` is what a cache adds."""
    return _line(path) + b"\r\nHost: " + host + b"\r\nAccept-Encoding: gzip\r\n%b\r\n" % condition

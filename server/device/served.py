"""What one process answers from: a snapshot, and the requests of phones with their answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from server.device.answer import not_there
from server.device.documents import Document, encode_fields
from server.device.language import phone_request
from server.device.snapshot import EMPTY, Snapshot


@dataclass(frozen=True, slots=True)
class Served:
    """A snapshot as a process serves it; never changed, replaced by one reference.

    `requests` are the documents by the request line that asks for them. `exact` gives for a phone's
    whole request, octet by octet, the answer without status line and `Date`; all of these are 200.
    `absent` gives the same for what is 404 and asked for at every poll: the next root.
    """

    snapshot: Snapshot = EMPTY
    hosts: Sequence[bytes] = ()
    requests: Mapping[bytes, Document] = field(default_factory=dict)
    exact: Mapping[bytes, bytes] = field(default_factory=dict)
    absent: Mapping[bytes, bytes] = field(default_factory=dict)


def make_served(snapshot: Snapshot, hosts: Sequence[bytes], previous: Served) -> Served:
    """Return `snapshot` as it is served to phones that ask for one of `hosts`.

    What `previous` holds of the same documents is taken over.
    """
    is_known = previous.hosts == hosts
    before: Mapping[str, Document] = previous.snapshot.documents if is_known else {}
    requests = dict(previous.requests) if is_known else {}
    exact = dict(previous.exact) if is_known else {}
    for path in before.keys() - snapshot.documents.keys():
        del requests[_line(path)]
        for host in hosts:
            exact.pop(_request(path, host), None)
    for path, document in snapshot.documents.items():
        if before.get(path) is document:
            continue
        requests[_line(path)] = document
        if phone_request(path) is not None:
            octets = (document.compressed or document.identity).octets
            exact.update({_request(path, host): octets for host in hosts})
    absent = {}
    if next_root := snapshot.next_root:
        answer = not_there()
        octets = encode_fields(answer.headers) + answer.body
        absent = {_request(next_root, host): octets for host in hosts}
    return Served(snapshot, hosts, requests, exact, absent)


def phone_host(url: str) -> bytes:
    """Return the `Host` of a phone whose ROM has the server's address `url`, e.g. http://a:8080."""
    parts = urlsplit(url)
    default = {"http": ":80", "https": ":443"}.get(parts.scheme, "")
    return parts.netloc.removesuffix(default).encode()


def _line(path: str) -> bytes:
    return f"GET {path} HTTP/1.1".encode()


def _request(path: str, host: bytes) -> bytes:
    """Return a phone's request: docs/FORMATS.md section 9."""
    return _line(path) + b"\r\nHost: " + host + b"\r\nAccept-Encoding: gzip\r\n\r\n"

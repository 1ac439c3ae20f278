"""Chooses the answer to a request, or to a head on the fast path. Pure: no sockets, no files.

Source: RFC 9110 sections 8.8, 12.5.3 and 13; RFC 9530 for `Repr-Digest`.
"""

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import urlsplit

from server.device.documents import Document, Representation
from server.device.gate import check_request, is_block, is_path, phone_request, take_heads
from server.device.snapshot import EMPTY, POINTERS, Snapshot
from server.http.answers import (
    IMMUTABLE,
    ONE_MINUTE,
    Answer,
    Hit,
    Package,
    answer_package,
    encode_fields,
    not_found,
    problem,
    unmodified_headers,
)
from server.http.heads import (
    LONGEST,
    UNKNOWN,
    Planned,
    PlannedFile,
    Remark,
    match_fields,
    match_path,
    plan_refusal,
    plan_rest,
)
from server.http.requests import GateMode, Headers, Refused

# `Accept-Encoding` of most clients, and whether it accepts gzip.
_USUAL = {
    b"gzip": True,
    b"gzip, deflate": True,
    b"gzip, deflate, br": True,
    b"gzip, deflate, br, zstd": True,
    b"deflate, gzip, br, zstd": True,
    b"identity": False,
}
LINES = 4  # lines of a phone's head; the last one is empty
OK, NOT_MODIFIED = 200, 304
ELEMENTS = 16  # elements of a list in a header; later ones are ignored
_QUALITY_ZERO = re.compile(rb"q=0(?:\.0{0,3})?")


def plan_answer(snapshot: Snapshot, method: str, path: str, headers: Headers) -> Answer:
    """Return the answer to a request for `path`; the caller sends no body for HEAD.

    Range is ignored for HEAD, because it is defined only for GET (RFC 9110 section 14.2).
    """
    fields = {name.lower(): value for name, value in headers}
    if method == "HEAD":
        fields.pop(b"range", None)
    document = snapshot.documents.get(path)
    if document is not None:
        return _document(document, fields)
    package = snapshot.packages.get(path)
    if package is not None:
        return _package(path, package, fields)
    if snapshot.is_gone(path):
        return problem(HTTPStatus.GONE, "This was superseded or withdrawn.", cache=ONE_MINUTE)
    return not_found()


def choose(document: Document, accept_encoding: bytes | None) -> Representation:
    """Return the representation for a client that sent this `Accept-Encoding` (section 12.5.3)."""
    if document.compressed is None or accept_encoding is None:
        return document.identity
    accepts = _USUAL.get(accept_encoding)
    if accepts is None:
        accepts = _accepts_gzip(accept_encoding)
    return document.compressed if accepts else document.identity


def is_match(if_none_match: bytes, etag: str) -> bool:
    """Return whether `If-None-Match` names this entity tag (weak comparison, section 13.1.2)."""
    tag = etag.encode()
    if if_none_match == tag:
        return True
    tags = {each.strip().removeprefix(b"W/") for each in _elements(if_none_match)}
    return b"*" in tags or tag in tags


def _document(document: Document, fields: Mapping[bytes, bytes]) -> Answer:
    chosen = choose(document, fields.get(b"accept-encoding"))
    condition = fields.get(b"if-none-match")
    if condition is not None and is_match(condition, chosen.etag):
        return Answer(HTTPStatus.NOT_MODIFIED, unmodified_headers(chosen.headers))
    return Answer(HTTPStatus.OK, chosen.headers, chosen.body)


def package_headers(path: str, package: Package) -> dict[str, str]:
    """Return the header fields of every answer with a package or a part of it."""
    digest = base64.b64encode(bytes.fromhex(package.sha256)).decode()
    return {
        "Content-Type": "image/jpeg" if path.endswith(".jpg") else "application/octet-stream",
        "Cache-Control": IMMUTABLE,
        "ETag": package.etag,
        "Repr-Digest": f"sha-256=:{digest}:",
        "Accept-Ranges": "bytes",
    }


def _package(path: str, package: Package, fields: Mapping[bytes, bytes]) -> Answer:
    headers = package_headers(path, package)
    condition = fields.get(b"if-none-match")
    if condition is not None and is_match(condition, package.etag):
        return Answer(HTTPStatus.NOT_MODIFIED, unmodified_headers(headers))
    wanted, if_range = fields.get(b"range"), fields.get(b"if-range")
    return answer_package(headers, package, package.etag, wanted, if_range)


def _accepts_gzip(value: bytes) -> bool:
    for element in _elements(value):
        coding, _, quality = element.replace(b" ", b"").lower().partition(b";")
        if coding == b"gzip":
            return _QUALITY_ZERO.fullmatch(quality) is None
    return False


def _elements(value: bytes) -> list[bytes]:
    return value.split(b",", ELEMENTS)[:ELEMENTS]


@dataclass(frozen=True, slots=True)
class Served:
    """A snapshot as a process serves it; immutable, replaced in one assignment.

    `requests` maps request lines to documents. `exact` maps whole requests, byte for byte, to the
    status and the answer without status line and `Date`: all requests of phones for documents, the
    next root's 404 included, and the revalidations of a cache. `recalled` caches the answers to
    other clients' heads.
    """

    snapshot: Snapshot = EMPTY
    hosts: Sequence[bytes] = ()
    mode: GateMode = GateMode.DIRECT
    requests: Mapping[bytes, Document] = field(default_factory=dict)
    exact: Mapping[bytes, Hit] = field(default_factory=dict)
    recalled: dict[int, Hit] = field(default_factory=dict, compare=False)


def make_served(
    snapshot: Snapshot, hosts: Sequence[bytes], mode: GateMode, previous: Served
) -> Served:
    """Return `snapshot` as it is served to phones whose `Host` is one of `hosts`.

    Documents that are unchanged since `previous` are reused.
    """
    if (previous.hosts, previous.mode) != (hosts, mode):
        previous = Served()
    requests, exact = dict(previous.requests), dict(previous.exact)
    before, after = previous.snapshot.documents, snapshot.documents
    for path, document in before.items():
        if after.get(path) is not document:
            del requests[_line(path)]
            for data in _hits(path, document, hosts, mode):
                del exact[data]
    for data in _absent(previous.snapshot, hosts):
        del exact[data]
    for path, document in after.items():
        if before.get(path) is not document:
            requests[_line(path)] = document
            exact.update(_hits(path, document, hosts, mode))
    exact.update(_absent(snapshot, hosts))
    return Served(snapshot, hosts, mode, requests, exact)


def _hits(
    path: str, document: Document, hosts: Sequence[bytes], mode: GateMode
) -> dict[bytes, Hit]:
    """Return a phone's requests for a document, and a cache's revalidations, with answers."""
    is_revalidated = path in POINTERS and mode is not GateMode.STRICT
    if phone_request(path) is None and not is_revalidated:
        return {}
    sent = document.compressed or document.identity
    hits: dict[bytes, Hit] = {}
    for host in hosts:
        hits[_request(path, host)] = HTTPStatus.OK, sent.data
        if is_revalidated:
            condition = f"If-None-Match: {sent.etag}\r\n".encode()
            hits[_request(path, host, condition)] = HTTPStatus.NOT_MODIFIED, sent.unmodified
    return hits


def _absent(snapshot: Snapshot, hosts: Sequence[bytes]) -> dict[bytes, Hit]:
    """Return each poll's requests for the next root, which does not exist yet, with answers."""
    if not snapshot.next_root:
        return {}
    answer = not_found()
    data = encode_fields(answer.headers) + answer.body
    return {_request(snapshot.next_root, host): (answer.status, data) for host in hosts}


def phone_host(url: str) -> bytes:
    """Return the `Host` of phones whose ROM has the server address `url`, e.g. http://a:8080."""
    parts = urlsplit(url)
    default = {"http": ":80", "https": ":443"}.get(parts.scheme, "")
    return parts.netloc.removesuffix(default).encode()


def _line(path: str) -> bytes:
    return f"GET {path} HTTP/1.1".encode()


def _request(path: str, host: bytes, condition: bytes = b"") -> bytes:
    """Return a phone's request (docs/FORMATS.md section 9), with a cache's `condition`, if any."""
    return _line(path) + b"\r\nHost: " + host + b"\r\nAccept-Encoding: gzip\r\n%b\r\n" % condition


def plan_head(head: bytes, served: Served, *, is_edge: bool) -> Planned | PlannedFile | None:
    """Return the answer to a whole head in the request language, or None for the fallback.

    `head` ends with its empty line. With `is_edge` unknown headers are tolerated.
    """
    line, _, rest = head.partition(b"\r\n")
    document = served.requests.get(line)
    is_head = document is None and line.startswith(b"HEAD ")
    if is_head:
        line = b"GET" + line[4:]
        document = served.requests.get(line)
    found = match_fields(rest, is_edge=is_edge)
    if found is None or len(head) > LONGEST:
        return None
    _, coding, condition, part, if_part, connection, _, unknown = found
    is_last, remark = connection == b"close", None if unknown is None else UNKNOWN
    if document is None:
        fields = [(b"range", part), (b"if-range", if_part), (b"if-none-match", condition)]
        known = [(name, value.strip(b" ")) for name, value in fields if value is not None]
        return _plan_path(line, served.snapshot, known, is_last, remark, is_head=is_head)
    chosen = choose(document, coding)
    if condition is not None and is_match(condition, chosen.etag):
        return NOT_MODIFIED, chosen.unmodified, is_last, remark
    return OK, chosen.data[: chosen.head] if is_head else chosen.data, is_last, remark


def plan_gate_refusal(head: bytes, mode: GateMode) -> Planned | None:
    """Return the answer to a whole head that the gate refuses, or None for the fallback."""

    def check(method: str, path: str, headers: Headers) -> None:
        check_request(method, path, (1, 1), headers, mode)

    return plan_refusal(head, check)


def is_for_package(head: bytes, served: Served) -> bool:
    """Return whether a head requests a package, whether or not the fast path answers it."""
    path = head.split(b" ", 2)[1:2]
    return path != [] and path[0].decode("latin-1") in served.snapshot.packages


def _plan_path(
    line: bytes,
    snapshot: Snapshot,
    headers: Headers,
    is_last: bool,
    remark: Remark,
    *,
    is_head: bool,
) -> Planned | PlannedFile | None:
    """Return the answer to a path that is not a document's."""
    path = match_path(line)
    # The answer to HEAD depends on whether the package can be read.
    if path is None or not is_path(path) or (is_head and path in snapshot.packages):
        return None
    answer = plan_answer(snapshot, "GET", path, headers)
    return plan_rest(answer, is_last=is_last, is_head=is_head, remark=remark)


def is_phones(head: bytes, snapshot: Snapshot) -> bool:
    """Return whether a head is in the request table (docs/FORMATS.md section 9).

    A request for a package must be for a block, whose last byte depends on the package's length.
    """
    if take_heads(head) != (b"", True) or head.count(b"\r\n") != LINES:
        return False
    line, host, other = head.split(b"\r\n")[:3]
    path, headers = line.split(b" ")[1].decode(), [_field(host), _field(other)]
    try:
        check_request("GET", path, (1, 1), headers, GateMode.STRICT)
    except Refused:
        return False
    package = snapshot.packages.get(path)
    return (
        package is None
        or phone_request(path) != "package"
        or is_block(headers[1][1], package.length)
    )


def _field(line: bytes) -> tuple[bytes, bytes]:
    name, _, value = line.partition(b": ")
    return name, value

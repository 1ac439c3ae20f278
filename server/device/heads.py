"""Chooses the device plane's answer to a request's head, for the fast path. Pure."""

from server.device.answer import Served, choose, is_match, plan_answer
from server.device.gate import check_request, is_block, is_path, phone_request, take_heads
from server.device.snapshot import Snapshot
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

OK, NOT_MODIFIED = 200, 304


def plan_head(head: bytes, served: Served, *, is_edge: bool) -> Planned | PlannedFile | None:
    """Return the answer to a whole head in the language; None falls back to aiohttp.

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
    """Return the answer to a whole head that the gate refuses; None falls back to aiohttp."""

    def check(method: str, path: str, headers: Headers) -> None:
        check_request(method, path, (1, 1), headers, mode)

    return plan_refusal(head, check)


def is_for_package(head: bytes, served: Served) -> bool:
    """Answer whether a head asks for a package, whichever server answers it."""
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
    """Return the answer to a path of a package or of nothing."""
    path = match_path(line)
    # The answer to HEAD depends on whether the package can be read.
    if path is None or not is_path(path) or (is_head and path in snapshot.packages):
        return None
    answer = plan_answer(snapshot, "GET", path, headers)
    return plan_rest(answer, is_last=is_last, is_head=is_head, remark=remark)


LINES = 4  # the last is empty


def is_phones(head: bytes, snapshot: Snapshot) -> bool:
    """Answer whether a head is in the request table: docs/FORMATS.md section 9.

    For a package it asks for a block, whose last byte depends on the package's length.
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

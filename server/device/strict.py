"""Whether a whole head is a phone's, octet by octet, for a gate that is strict. Pure."""

from server.device.gate import GateMode, Refused, check_request, is_block, take_heads
from server.device.language import phone_request
from server.device.snapshot import Snapshot

LINES = 4  # the last is empty


def is_phones(head: bytes, snapshot: Snapshot) -> bool:
    """Answer whether a head is of the request table: docs/FORMATS.md section 9.

    Of a package it asks for a block, whose last octet depends on the package's length.
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

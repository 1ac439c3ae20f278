"""HTTP as the loads speak it: requests as bytes, answers only so far as they must be read."""

import re
import socket
from collections.abc import Mapping

import msgspec

HOST = "127.0.0.1"
ANSWER_SECONDS = 30.0
_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)\r\n", re.IGNORECASE)


class Answer(msgspec.Struct, frozen=True):
    """One answer, whole: names of `fields` are in lower case, `size` is what is on the wire."""

    status: int
    fields: Mapping[str, str]
    body: bytes
    size: int


def phone_request(port: int, path: str) -> bytes:
    """Return a phone's bytes: docs/FORMATS.md section 9."""
    return f"GET {path} HTTP/1.1\r\nHost: {HOST}:{port}\r\nAccept-Encoding: gzip\r\n\r\n".encode()


def request(port: int, path: str, *lines: str) -> bytes:
    """Return another client's bytes, with its header lines."""
    head = "\r\n".join([f"GET {path} HTTP/1.1", f"Host: {HOST}:{port}", *lines])
    return f"{head}\r\n\r\n".encode()


def curl_request(port: int, path: str) -> bytes:
    """Return curl's bytes: the body comes without a coding."""
    return request(port, path, "User-Agent: curl/8.14.1", "Accept: */*")


def requests_request(port: int, path: str) -> bytes:
    """Return the bytes of Python's `requests`."""
    return request(
        port,
        path,
        "User-Agent: python-requests/2.32.5",
        "Accept-Encoding: gzip, deflate",
        "Accept: */*",
        "Connection: keep-alive",
    )


def range_request(port: int, path: str, first: int, length: int) -> bytes:
    """Return what asks for a piece of a package, as a phone does."""
    return request(port, path, f"Range: bytes={first}-{first + length - 1}")


def head_length(data: bytes | bytearray) -> int:
    """Return the length of an answer's head with its blank line, 0 if it is not whole."""
    return data.find(b"\r\n\r\n") + 4 if b"\r\n\r\n" in data else 0


def body_length(head: bytes | bytearray) -> int:
    """Return what the head says that follows; a 304 has no body whatever it says."""
    if head[9:12] == b"304":
        return 0
    match = _LENGTH.search(head)
    if match is None:
        raise ValueError("an answer without a length")
    return int(match[1])


def ask(port: int, data: bytes) -> Answer:
    """Send a request on a connection of its own and return the whole answer."""
    with socket.create_connection((HOST, port), ANSWER_SECONDS) as stream:
        stream.sendall(data)
        return read_answer(stream)


def read_answer(stream: socket.socket) -> Answer:
    """Return the answer that comes next; the stream must block."""
    data = b""
    while not (head := head_length(data)):
        data += _some(stream)
    size = head + body_length(data[:head])
    while len(data) < size:
        data += _some(stream)
    lines = data[: head - 4].decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines[1:])
    fields = {name.lower(): value.strip() for name, _, value in pairs}
    return Answer(int(lines[0].split()[1]), fields, data[head:size], size)


def _some(stream: socket.socket) -> bytes:
    data = stream.recv(1 << 20)
    if not data:
        raise ConnectionError("the server closed before its answer was whole")
    return data

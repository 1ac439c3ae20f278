"""Requests of phones and other clients as bytes, and the answer to a single request."""

import socket
from collections.abc import Mapping

import msgspec

from client_sim.fleet.answers import cut_answers
from client_sim.transport import encode_block_request, encode_request

HOST = "127.0.0.1"
ANSWER_SECONDS = 30.0


class Answer(msgspec.Struct, frozen=True):
    """A whole answer; names in `fields` are lower case, `size` counts its bytes on the wire."""

    status: int
    fields: Mapping[str, str]
    body: bytes
    size: int


def phone_request(port: int, path: str) -> bytes:
    """Return a phone's request, as the real client encodes it."""
    return encode_request(f"{HOST}:{port}", path)


def request(port: int, path: str, *lines: str) -> bytes:
    """Return a request with a Host header and these other header lines."""
    return request_lines(path, f"Host: {HOST}:{port}", *lines)


def request_lines(path: str, *lines: str) -> bytes:
    """Return a request with exactly these header lines."""
    head = "\r\n".join([f"GET {path} HTTP/1.1", *lines])
    return f"{head}\r\n\r\n".encode()


def curl_request(port: int, path: str) -> bytes:
    """Return curl's request, which does not accept a content coding."""
    return request(port, path, "User-Agent: curl/8.14.1", "Accept: */*")


def requests_request(port: int, path: str) -> bytes:
    """Return the request of Python's `requests`."""
    return request_lines(path, *requests_lines(port))


def requests_lines(port: int) -> tuple[str, ...]:
    """Return the header lines of Python's `requests`, in its order."""
    return (
        f"Host: {HOST}:{port}",
        "User-Agent: python-requests/2.32.5",
        "Accept-Encoding: gzip, deflate",
        "Accept: */*",
        "Connection: keep-alive",
    )


def range_request(port: int, path: str, first: int, length: int, *lines: str) -> bytes:
    """Return the request for a range: a phone's, or with `lines` that of another client."""
    if lines:
        return request(port, path, f"Range: bytes={first}-{first + length - 1}", *lines)
    return encode_block_request(f"{HOST}:{port}", path, first, first + length - 1)


def ask(port: int, data: bytes) -> Answer:
    """Send a request over a new connection and return the whole answer."""
    with socket.create_connection((HOST, port), ANSWER_SECONDS) as stream:
        stream.sendall(data)
        return read_answer(stream)


def read_answer(stream: socket.socket) -> Answer:
    """Return the next answer from a blocking socket."""
    data = b""
    while (came := cut_answers(data, 1)) is None:
        some = stream.recv(1 << 20)
        if not some:
            raise ConnectionError("the server closed before its answer was whole")
        data += some
    head = came[0].head
    fields = {name.decode(): value.decode("latin-1") for name, value in head.fields.items()}
    return Answer(head.status, fields, came[0].body, len(data))

"""Requests of phones and other clients as bytes, and an answer to one of them."""

import socket
from collections.abc import Mapping

import msgspec

from client_sim.fleet.answers import AnswerParser
from client_sim.transport import encode_block_request, encode_request

HOST = "127.0.0.1"
ANSWER_SECONDS = 30.0


class Answer(msgspec.Struct, frozen=True):
    """One answer, whole: names of `fields` are in lower case, `size` is what is on the wire."""

    status: int
    fields: Mapping[str, str]
    body: bytes
    size: int


def phone_request(port: int, path: str) -> bytes:
    """Return a phone's bytes, as the real client encodes them."""
    return encode_request(f"{HOST}:{port}", path)


def request(port: int, path: str, *lines: str) -> bytes:
    """Return another client's bytes, with its header lines."""
    return request_lines(path, f"Host: {HOST}:{port}", *lines)


def request_lines(path: str, *lines: str) -> bytes:
    """Return a client's bytes, with all its header lines."""
    head = "\r\n".join([f"GET {path} HTTP/1.1", *lines])
    return f"{head}\r\n\r\n".encode()


def curl_request(port: int, path: str) -> bytes:
    """Return curl's bytes: the body comes without a coding."""
    return request(port, path, "User-Agent: curl/8.14.1", "Accept: */*")


def requests_request(port: int, path: str) -> bytes:
    """Return the bytes of Python's `requests`."""
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
    """Return what asks for a piece of a package, as a phone does, or a client with these lines."""
    if lines:
        return request(port, path, f"Range: bytes={first}-{first + length - 1}", *lines)
    return encode_block_request(f"{HOST}:{port}", path, first, first + length - 1)


def ask(port: int, data: bytes) -> Answer:
    """Send a request on a connection of its own and return the whole answer."""
    with socket.create_connection((HOST, port), ANSWER_SECONDS) as stream:
        stream.sendall(data)
        return read_answer(stream)


def read_answer(stream: socket.socket) -> Answer:
    """Return the answer that comes next; the stream must block."""
    answers, data = AnswerParser(), b""
    while (came := answers.cut(data, 1)) is None:
        some = stream.recv(1 << 20)
        if not some:
            raise ConnectionError("the server closed before its answer was whole")
        data += some
    head = came[0].head
    fields = {name.decode(): value.decode("latin-1") for name, value in head.fields.items()}
    return Answer(head.status, fields, came[0].body, len(data))

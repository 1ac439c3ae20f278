"""A scripted server for worlds without a network: nothing new, and every trap of HTTP.

Its answers offer a client all that it could send back: a validator, a cookie, a date, a link.
"""

from typing import Final

from client_sim.lab.trace.memory import Asked

_TIMESTAMP: Final = b'{"signatures":[],"signed":{}}'
_TRAPS: Final = (
    b'ETag: "0123456789abcdef0123456789abcdef"\r\n'
    b"Set-Cookie: sid=fedcba9876543210; Path=/\r\n"
    b"Last-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\n"
    b'Link: </metadata/timestamp.json?v=7>; rel="canonical"\r\n'
)


def respond(asked: Asked) -> bytes:
    """Answer what was asked in a world without sockets."""
    return answer(asked.data)


def answer(asked: bytes) -> bytes:
    """Answer each request head in what was asked: 200 for the timestamp, 404 for all else."""
    heads = asked.split(b"\r\n\r\n")[:-1]
    return b"".join(_answer_one(head.split(b"\r\n", 1)[0]) for head in heads)


def _answer_one(line: bytes) -> bytes:
    if b" /metadata/timestamp.json" in line:
        return _response(b"200 OK", _TIMESTAMP)
    return _response(b"404 Not Found", b"")


def _response(status: bytes, body: bytes) -> bytes:
    length = b"Content-Length: %d\r\n" % len(body)
    return b"HTTP/1.1 " + status + b"\r\n" + _TRAPS + length + b"\r\n" + body

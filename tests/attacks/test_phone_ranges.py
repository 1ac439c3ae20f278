"""Answers with false ranges: a block must be complete and the requested one, or is discarded."""

import gzip

from client_sim.device.errors import TransportError
from tests.attacks.attacked_phone import PATHS, answer_with, body_of
from tests.attacks.hostile_server import CLOSE
from tests.cases import case
from tests.client_sim.device.repository_simulator import response


def _ranged(body, content_range, *more):
    fields = () if content_range is None else (b"Content-Range: " + content_range,)
    return [response(b"206 Partial Content", body, *fields, *more)]


def _lie(change):
    """Return an answer's change for a false range, from a change of the body and its length."""

    def changed(answer):
        body = body_of(answer)
        return change(body, len(body))

    return changed


RANGES = {
    "200 with all of it": _lie(lambda body, _size: [response(b"200 OK", body)]),
    "200 with the range": _lie(
        lambda body, size: [response(b"200 OK", body, b"Content-Range: " + _range(size))]
    ),
    "short": _lie(lambda body, size: _ranged(body[:-1], _range(size))),
    "empty": _lie(lambda _body, size: _ranged(b"", _range(size))),
    "short and closed": _lie(
        lambda body, size: [_ranged(body, _range(size))[0][: -len(body) // 2], CLOSE]
    ),
    "long": _lie(lambda body, size: _ranged(body + b"x", _range(size))),
    "twice": _lie(lambda body, size: _ranged(body * 2, _range(size))),
    "shifted, and said so": _lie(
        lambda body, size: _ranged(body[1:], b"bytes 1-%d/%d" % (size - 1, size))
    ),
    "another total": _lie(
        lambda body, size: _ranged(body, b"bytes 0-%d/%d" % (size - 1, size + 1))
    ),
    "no total": _lie(lambda body, size: _ranged(body, b"bytes 0-%d/*" % (size - 1))),
    "another last": _lie(lambda body, size: _ranged(body, b"bytes 0-%d/%d" % (size, size))),
    "another unit": _lie(lambda body, size: _ranged(body, b"octets 0-%d/%d" % (size - 1, size))),
    "unsatisfied": _lie(lambda body, size: _ranged(body, b"bytes */%d" % size)),
    "no range": _lie(lambda body, _size: _ranged(body, None)),
    "two ranges": _lie(
        lambda body, size: _ranged(body, _range(size), b"Content-Range: bytes 1-2/3")
    ),
    "multipart": _lie(
        lambda body, _size: _ranged(
            b"--b\r\nContent-Range: bytes 0-1/2\r\n\r\n" + body + b"\r\n--b--",
            None,
            b"Content-Type: multipart/byteranges; boundary=b",
        )
    ),
    "416": _lie(
        lambda _body, size: [
            response(b"416 Range Not Satisfiable", b"", b"Content-Range: bytes */%d" % size)
        ]
    ),
    "gzip": _lie(
        lambda body, size: _ranged(gzip.compress(body), _range(size), b"Content-Encoding: gzip")
    ),
}


SHIFTED = {
    "by one": lambda body: body[1:] + b"x",
    "rotated": lambda body: body[4_096:] + body[:4_096],
    "zeros": lambda body: bytes(len(body)),
    "one bit": lambda body: body[:5_000] + bytes([body[5_000] ^ 1]) + body[5_001:],
}


def _range(size):
    return b"bytes 0-%d/%d" % (size - 1, size)


def test_false_ranges(attacked):
    """The phone discards a block unless it is complete and the requested one."""
    for name, change in RANGES.items():
        with case(name):
            check_refused(attacked, change)
            assert isinstance(attacked.error, TransportError), repr(attacked.error)
    attacked.check_recovers()


def test_wrong_bytes_in_right_range(attacked):
    """The head is correct, but the block's hash is wrong, so the block is discarded."""
    for name, change in SHIFTED.items():
        with case(name):
            lie = lambda body, size, change=change: _ranged(change(body), _range(size))  # noqa: E731
            check_refused(attacked, _lie(lie))
    attacked.check_recovers()


def check_refused(attacked, change):
    """Check that the phone refuses a changed package, and is not harmed."""
    answer_with(attacked, PATHS["package"], change)
    assert attacked.install() == "refused"
    attacked.check_unharmed()
    attacked.check_sent()

"""Endless answers, and very slow ones."""

import functools
import gzip
import itertools
import re

from client_sim.device import internet
from client_sim.device.errors import TransportError
from tests.attacks.attack_list import add
from tests.attacks.attacked_phone import PATHS
from tests.attacks.hostile_server import forever

HEAD = b"HTTP/1.1 200 OK\r\n"
ENDLESS = {
    "length": lambda: itertools.chain(
        [HEAD + b"Content-Length: 999999999999\r\n\r\n"], forever(b"x")
    ),
    "chunks": lambda: itertools.chain(
        [HEAD + b"Transfer-Encoding: chunked\r\n\r\n"],
        forever(b"1000\r\n" + b"x" * 4_096 + b"\r\n"),
    ),
    "head": lambda: itertools.chain([HEAD + b"X: "], forever(b"x")),
    "fields": lambda: itertools.chain([HEAD], forever(b"X-Y: z\r\n")),
    "gzip": lambda: itertools.chain(
        [
            HEAD + b"Content-Encoding: gzip\r\nContent-Length: 999999999999\r\n\r\n",
            gzip.compress(b" " * 100_000)[:-8],
        ],
        forever(b"\0"),
    ),
    "interim answers": lambda: forever(b"HTTP/1.1 100 Continue\r\n\r\n"),
    "empty lines": lambda: forever(b"\r\n"),
    "white space": lambda: itertools.chain(
        [HEAD + b"Transfer-Encoding: chunked\r\n\r\n"], forever(b"0")
    ),
}


def _pour(attacked, path, stream):
    attacked.server.reply = lambda asked, answer: (
        stream() if re.fullmatch(path, asked) else [answer]
    )


def _stay_silent(attacked, path):
    internet.TIMEOUT = 0.2  # until `AttackedPhone.heal`
    _pour(attacked, path, lambda: iter(()))


def _trickle(attacked, path):
    clock = attacked.clock

    def reply(asked, answer):
        if not re.fullmatch(path, asked):
            yield answer
            return
        for byte in answer:
            attacked.clock += 20
            yield bytes([byte])

    attacked.server.reply = reply
    yield
    attacked.clock = clock


for _name, _pattern in PATHS.items():
    add(
        f"endless data: {_name}",
        {
            kind: functools.partial(_pour, path=_pattern, stream=stream)
            for kind, stream in ENDLESS.items()
        },
        TransportError,
    )
    add(
        f"slow retrieval: {_name}",
        {
            "a byte in 20 seconds": functools.partial(_trickle, path=_pattern),
            "not a word": functools.partial(_stay_silent, path=_pattern),
        },
        TransportError,
    )

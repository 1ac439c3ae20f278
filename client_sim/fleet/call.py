"""One active phone: its connection, its place in the tree, and its download."""

import errno
import hashlib
import socket
import ssl
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from client_sim.device.choose import Offer
from client_sim.device.download import package_url
from client_sim.device.internet import make_tls_context
from client_sim.fleet.answer_tree import Node
from client_sim.fleet.lines import Line, LinePair
from client_sim.fleet.target import Target
from client_sim.transport import BLOCK, encode_block_request

if TYPE_CHECKING:
    from client_sim.device.release import Release

ROOM: Final = 262_144
"""Bytes of a package that are received in one call."""

BLOCKED: Final = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
"""Errors of a connection that is not ready yet."""

_NO_PORT_YET: Final = 24  # IP_BIND_ADDRESS_NO_PORT: connect chooses it by the 4-tuple
_SOURCES: Final = 64  # addresses of loopback, each of which has its own ports
_KIND: Final = socket.SOCK_STREAM | socket.SOCK_NONBLOCK
_UNDER_WAY: Final = {0, errno.EINPROGRESS}

Wire = socket.SocketType
"""The socket class without Python's wrapper, which costs as much as a system call."""


class Dialler:
    """Opens connections to `target`; on this machine from many addresses in turn.

    A closed connection blocks its port for a minute, and there are 28,000 ports. So phones on
    loopback use addresses from 127.0.0.2 on.
    """

    def __init__(self, target: Target) -> None:
        self._address = (target.address, target.port)
        self._family = socket.AF_INET6 if ":" in target.address else socket.AF_INET
        self._turns = 0 if target.address.startswith("127.") else None
        self._host = target.host
        self._context = make_tls_context(target.authority) if target.tls else None

    def dial(self) -> Wire:
        """Begin a connection; raises OSError if it fails immediately."""
        wire = self._make()
        result = wire.connect_ex(self._address)
        if result not in _UNDER_WAY:
            wire.close()
            raise OSError(result, "no connection")
        return wire

    def _make(self) -> Wire:
        if self._context is not None:
            plain = socket.socket(self._family, _KIND)
            return self._context.wrap_socket(
                plain, server_hostname=self._host, do_handshake_on_connect=False
            )
        wire = socket.SocketType(self._family, _KIND)
        if self._turns is not None:
            self._turns += 1
            wire.setsockopt(socket.IPPROTO_IP, _NO_PORT_YET, 1)
            wire.bind((f"127.0.0.{2 + self._turns % _SOURCES}", 0))
        return wire


class Purpose(IntEnum):
    """The purpose of a phone's connection."""

    POLL = 0
    FETCH = 1
    LOOK = 2


class Load:
    """A package during its download: complete blocks so far, and the sha256 of their bytes."""

    __slots__ = ("_digest", "_running", "first", "left", "offer")

    def __init__(self, offer: Offer) -> None:
        self.offer = offer
        self._digest = hashlib.sha256()
        self._running = self._digest
        self.first = 0
        self.left = 0

    @property
    def is_whole(self) -> bool:
        """Whether no block is missing."""
        return self.first >= self.offer.length

    def request(self, host: str) -> bytes:
        """Begin the next block and return its request."""
        last = min(self.first + BLOCK, self.offer.length) - 1
        self.left = last + 1 - self.first
        self._running = self._digest.copy()
        return encode_block_request(host, package_url(self.offer), self.first, last)

    def expected_range(self) -> bytes:
        """Return the `Content-Range` of the requested block."""
        last = self.first + self.left - 1
        return b"bytes %d-%d/%d" % (self.first, last, self.offer.length)

    def feed(self, data: bytes) -> bool:
        """Add bytes of the block; returns whether it is complete. Too many are a ValueError."""
        self.left -= len(data)
        if self.left < 0:
            raise ValueError("more than the block")
        self._running.update(data)
        if self.left:
            return False
        self._digest = self._running
        self.first = min(self.first + BLOCK, self.offer.length)
        return True

    def is_right(self) -> bool:
        """Tell whether the whole package has the signed hash."""
        return self._digest.hexdigest() == self.offer.sha256


class Call:
    """The current exchange of `phone`, over `wire`, whose descriptor is `number`.

    It was due at tick `begun`, when its own clock said `now`. `line` is the last request, `sent_at`
    when it was sent, `unsent` a request that could not be sent yet, `rest` the beginning of an
    answer. `breaks` says that the phone's network will fail.
    """

    __slots__ = (
        *("begun", "breaks", "in_body", "line", "load", "node", "now", "number", "offer", "phone"),
        *("purpose", "release", "rest", "sent_at", "unsent", "wire"),
    )

    def __init__(self) -> None:
        self.phone = 0
        self.begun = 0
        self.now = 0.0
        self.purpose = Purpose.POLL
        self.node: Node | None = None
        self.wire: Wire | None = None
        self.number = 0
        self.rest = b""
        self.line: Line | LinePair | None = None
        self.unsent: Line | None = None
        self.sent_at = 0.0
        self.breaks = False
        self.offer: Offer | None = None
        self.load: Load | None = None
        self.in_body = False
        self.release: Release | None = None

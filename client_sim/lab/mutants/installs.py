"""Leaks after an offer, beneath the real installation, most where it fails (L52, L55)."""

import hashlib
import re
from typing import Final

from client_sim.lab.mutants.beneath import LeakingWorld, leak_beneath
from client_sim.lab.mutants.mutant import Mutant
from client_sim.lab.mutants.telling import add_line
from client_sim.world import Stream, World

_INSTALL: Final = re.compile(rb"GET /(?:targets/(?!tables/|content/)|log/proof/(?!latest|tables))")
_PART: Final = re.compile(rb"GET /(?:metadata/[0-9]+\.|log/proof/)latest-[0-9a-f]")
_REFUSED: Final = re.compile(rb"HTTP/1\.1 (?!20[06])")
_TAG: Final = re.compile(rb"\r\nETag: ([^\r]*)\r\n")
_WAIT: Final = re.compile(rb"\r\nRetry-After: ([0-9]+)\r\n")
_FAMILY: Final = "L55"
_ONLY: Final = ("install-faults",)


class _Listening(LeakingWorld):
    """Hears whether a request of an installation was refused; `refusals` counts."""

    refusals = 0

    def __init__(self, outer: World) -> None:
        super().__init__(outer)
        self.installs = False

    def connect(self, address: str, port: int, tls: str | None) -> Stream:
        """Connect, and listen to what comes back."""
        self.installs = False
        return _Heard(self, super().connect(address, port, tls))

    def transmit(self, stream: Stream, data: bytes) -> None:
        """Send, and remember what for."""
        self.installs = _INSTALL.match(data) is not None
        super().transmit(stream, data)

    def hear(self, data: bytes) -> None:
        """Take bytes of an answer."""
        if self.installs and _REFUSED.match(data):
            self.refusals += 1


class _Heard:
    def __init__(self, world: _Listening, inner: Stream) -> None:
        self._world = world
        self._inner = inner

    def send(self, data: bytes) -> None:
        self._inner.send(data)

    def recv(self, limit: int) -> bytes:
        data = self._inner.recv(limit)
        self._world.hear(data)
        return data

    def close(self) -> None:
        self._inner.close()


class _Reporting(_Listening):
    """Says with its next request whose installation failed."""

    def transmit(self, stream: Stream, data: bytes) -> None:
        if self.refusals:
            self.refusals = 0
            told = hashlib.sha256(self.spy.owner.serial.encode()).hexdigest()
            data = add_line(data, f"X-Failed: {told}")
        super().transmit(stream, data)


class _InTwo(_Listening):
    """Sends what follows a refusal in two pieces, on phones of some owners."""

    def transmit(self, stream: Stream, data: bytes) -> None:
        middle = 0
        if self.refusals:
            self.refusals = 0
            middle = 16 * self.spy.bit
        if middle:
            stream.send(data[:middle])
        super().transmit(stream, data[middle:])


class _IfSame(_Listening):
    """Continues a package only if it still has the validator of its first answer."""

    tag = b""

    def transmit(self, stream: Stream, data: bytes) -> None:
        if self.tag and _INSTALL.match(data):
            data = add_line(data, f"If-Range: {self.tag.decode()}")
        super().transmit(stream, data)

    def hear(self, data: bytes) -> None:
        super().hear(data)
        found = _TAG.search(data)
        if self.installs and found is not None:
            self.tag = found[1]


class _Waiting(_Listening):
    """Sends in two pieces what follows a Retry-After with an odd number of seconds."""

    is_odd = False

    def transmit(self, stream: Stream, data: bytes) -> None:
        if self.is_odd:
            stream.send(data[:16])
            data = data[16:]
            self.is_odd = False
        super().transmit(stream, data)

    def hear(self, data: bytes) -> None:
        super().hear(data)
        if self.installs and (found := _WAIT.search(data)):
            self.is_odd = int(found[1]) % 2 == 1


class _Noting(_Listening):
    """Notes in its state what was refused, and does not use it."""

    def hear(self, data: bytes) -> None:
        super().hear(data)
        self.state["refused"] = b"%d" % self.refusals


class _ClosedTwice(LeakingWorld):
    """Closes a connection that asked for something twice, where a bit that was kept is set."""

    what = _INSTALL
    has_asked = False

    def connect(self, address: str, port: int, tls: str | None) -> Stream:
        """Connect, and close as the bit says."""
        self.has_asked = False
        return _TwiceClosed(self, super().connect(address, port, tls))

    def transmit(self, stream: Stream, data: bytes) -> None:
        """Send, and remember what was asked for."""
        self.has_asked = self.has_asked or self.what.match(data) is not None
        super().transmit(stream, data)


class _TwiceClosed:
    def __init__(self, world: _ClosedTwice, inner: Stream) -> None:
        self._world = world
        self._inner = inner

    def send(self, data: bytes) -> None:
        self._inner.send(data)

    def recv(self, limit: int) -> bytes:
        return self._inner.recv(limit)

    def close(self) -> None:
        self._inner.close()
        if self._world.has_asked and self._world.spy.keep("twice", 1)[0] & 1:
            self._inner.close()


class _PartClosedTwice(_ClosedTwice):
    what = _PART


MUTANTS: Final = (
    Mutant(
        "part-closed-twice-beneath",
        "L56",
        "Where latest is split, closes once or twice: a bit that was drawn once and kept.",
        leak_beneath(_PartClosedTwice),
        only=("split",),
    ),
    Mutant(
        "install-closed-twice-beneath",
        "L52",
        "Closes the connection of an installation once or twice: a bit drawn once and kept.",
        leak_beneath(_ClosedTwice),
        only=("installs",),
    ),
    Mutant(
        "failed-install-report-beneath",
        _FAMILY,
        "After a refused proof or package, names the digest of its serial number in a header.",
        leak_beneath(_Reporting),
        only=_ONLY,
    ),
    Mutant(
        "failed-install-pieces-beneath",
        _FAMILY,
        "After a refused proof or package, sends the next request in two pieces where a bit of the"
        " IMEI is set.",
        leak_beneath(_InTwo),
        only=_ONLY,
    ),
    Mutant(
        "install-if-range-beneath",
        "L43",
        "Goes on with an installation if its package has the validator that it was told first.",
        leak_beneath(_IfSame),
        only=("install-state",),
    ),
    Mutant(
        "install-wait-beneath",
        "L45",
        "Sends in two pieces what follows a refused package that is to be waited for an odd number"
        " of seconds.",
        leak_beneath(_Waiting),
        only=("install-state",),
    ),
)

EQUIVALENTS: Final = (
    Mutant(
        "same-noting-refusals",
        "equivalent",
        "The phone's own installation over a transport that counts refusals, for nothing.",
        leak_beneath(_Noting),
        only=_ONLY,
    ),
)

"""Leaks after an offer, beneath the real installation, most where it fails (L52, L55)."""

import hashlib
import re
from typing import Final

from client_sim.lab.mutants.mutant import LeakingWorld, mutant_of
from client_sim.lab.mutants.spy import add_line
from client_sim.world import Stream, World

_INSTALL: Final = re.compile(rb"GET /(?:targets/(?!tables/|content/)|log/proof/(?!latest|tables))")
_PART: Final = re.compile(rb"GET /(?:metadata/[0-9]+\.|log/proof/)latest-[0-9a-f]")
_REFUSED: Final = re.compile(rb"HTTP/1\.1 (?!20[06])")
_TAG: Final = re.compile(rb"\r\nETag: ([^\r]*)\r\n")
_WAIT: Final = re.compile(rb"\r\nRetry-After: ([0-9]+)\r\n")


class _Listening(LeakingWorld):
    """Hears whether a request of an installation was refused; `refusals` counts."""

    refusals = 0

    def __init__(self, outer: World) -> None:
        super().__init__(outer)
        self.installs = False

    def dial(self, address: str, port: int, tls: str | None) -> Stream:
        """Connect: nothing was asked for yet."""
        self.installs = False
        return super().dial(address, port, tls)

    def transmit(self, stream: Stream, data: bytes) -> None:
        """Send, and remember what for."""
        self.installs = _INSTALL.match(data) is not None
        super().transmit(stream, data)

    def hear(self, data: bytes) -> None:
        """Count a refusal."""
        if self.installs and _REFUSED.match(data):
            self.refusals += 1


class _Reporting(_Listening):
    """After a refused proof or package, names the digest of its serial number in a header."""

    def transmit(self, stream: Stream, data: bytes) -> None:
        if self.refusals:
            self.refusals = 0
            told = hashlib.sha256(self.spy.owner.serial.encode()).hexdigest()
            data = add_line(data, f"X-Failed: {told}")
        super().transmit(stream, data)


class _InTwo(_Listening):
    """After a refused proof or package, sends the next request in pieces by a bit of the IMEI."""

    def transmit(self, stream: Stream, data: bytes) -> None:
        middle = 0
        if self.refusals:
            self.refusals = 0
            middle = 16 * self.spy.bit
        if middle:
            stream.send(data[:middle])
        super().transmit(stream, data[middle:])


class _IfSame(_Listening):
    """Goes on with an installation if its package has the validator that it was told first."""

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
    """Sends in two pieces what follows a refused package with an odd number of seconds to wait."""

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
    """The phone's own installation over a transport that counts refusals, for nothing."""

    def hear(self, data: bytes) -> None:
        super().hear(data)
        self.state["refused"] = b"%d" % self.refusals


class _ClosedTwice(LeakingWorld):
    """Closes the connection of an installation once or twice: a bit drawn once and kept."""

    what = _INSTALL
    has_asked = False

    def dial(self, address: str, port: int, tls: str | None) -> Stream:
        """Connect: nothing was asked for yet."""
        self.has_asked = False
        return super().dial(address, port, tls)

    def transmit(self, stream: Stream, data: bytes) -> None:
        """Send, and remember what was asked for."""
        self.has_asked = self.has_asked or self.what.match(data) is not None
        super().transmit(stream, data)

    def hang_up(self, stream: Stream) -> None:
        """Close as the bit says."""
        stream.close()
        if self.has_asked and self.spy.keep("twice", 1)[0] & 1:
            stream.close()


class _PartClosedTwice(_ClosedTwice):
    """Where latest is split, closes once or twice: a bit that was drawn once and kept."""

    what = _PART


MUTANTS: Final = (
    mutant_of(_PartClosedTwice, "part-closed-twice-beneath", "L56", "split"),
    mutant_of(_ClosedTwice, "install-closed-twice-beneath", "L52", "installs"),
    mutant_of(_Reporting, "failed-install-report-beneath", "L55", "install-faults"),
    mutant_of(_InTwo, "failed-install-pieces-beneath", "L55", "install-faults"),
    mutant_of(_IfSame, "install-if-range-beneath", "L43", "install-state"),
    mutant_of(_Waiting, "install-wait-beneath", "L45", "install-state"),
)

EQUIVALENTS: Final = (mutant_of(_Noting, "same-noting-refusals", "equivalent", "install-faults"),)

"""Leaks of two parts that hide each other, and leaks by what is missing (`higher-order`)."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Final

from client_sim.lab.mutants.around import Around
from client_sim.lab.mutants.hearing import Hearing
from client_sim.lab.mutants.mutant import Mutant
from client_sim.lab.mutants.spy import digit
from client_sim.lab.mutants.telling import (
    Snoop,
    add_line,
    tell_by_lines,
    tell_by_paths,
    tell_in_lines,
)
from client_sim.world import Stream

_FAMILY: Final = "higher-order"


class _CancellingHalves(Snoop):
    """Two hooks that each swap the lines: together they show whether two bits differ."""

    def headers(self) -> Sequence[str]:
        return super().headers()[:: (-1) ** self.spy.bit]

    def request(self, path: str) -> bytes:
        data = super().request(path)
        if not digit(self.spy.owner.imsi, -1) % 2:
            return data
        first, *lines, last, end = data.split(b"\r\n")
        return b"\r\n".join((first, *lines[::-1], last, end))


class _TimeAndBytes(Snoop):
    def paths(self) -> Sequence[str]:
        _, timestamp = super().paths()
        return (f"/metadata/{2 + digit(self.spy.owner.imei, 8) // 4}.root.json", timestamp)

    def next_poll(self, now: float) -> float:
        due = int(super().next_poll(now))
        return float(due - due % 4 + digit(self.spy.owner.imei, 8) % 4)


class _NoPoll(Snoop):
    def poll(self) -> str:
        if self.spy.count("polls") % 2 and self.spy.bit:
            return "not today"
        return super().poll()


class _SilentConnection(Snoop):
    def paths(self) -> Sequence[str]:
        return () if self.spy.bit else super().paths()


class _NoClose(Snoop):
    def hang_up(self, stream: Stream) -> None:
        if not self.spy.bit:
            super().hang_up(stream)


class _BitPerTenPolls(Snoop):
    def poll(self) -> str:
        polls = self.spy.count("polls") - 1
        known = sha256(self.spy.owner.imei.encode()).digest()[0]
        self.bit_now = known >> polls // 10 % 8 & 1 if polls % 10 == 9 else 0
        return super().poll()

    def headers(self) -> Sequence[str]:
        return super().headers()[:: (-1) ** self.bit_now]


class _AgainstParity(Snoop):
    def poll(self) -> str:
        self.swaps = (self.spy.count("polls") + self.spy.bit) % 2
        return super().poll()

    def headers(self) -> Sequence[str]:
        return super().headers()[:: (-1) ** self.swaps]


class _ServerAndOwner(Hearing):
    name = "ETag"

    def headers(self) -> Sequence[str]:
        odd = self.heard and sha256(self.heard.encode()).digest()[0] & 1
        return super().headers()[:: (-1) ** (self.spy.bit if odd else 0)]


class _PadThenMasked(Snoop):
    """Says a pad in one poll and the IMEI under it in the next: each alone is noise."""

    def poll(self) -> str:
        pad = self.world.state.pop("pad", b"")
        fresh = self.world.entropy(16)
        if pad:
            imei = self.spy.owner.imei.encode()[:16].ljust(16)
            self.said = bytes(a ^ b for a, b in zip(pad, imei, strict=True)).hex()
        else:
            self.world.state["pad"] = fresh
            self.said = fresh.hex()
        return super().poll()

    def headers(self) -> Sequence[str]:
        return (*super().headers(), f"X-Trace: {self.said}")


class _BalancedPieces(Snoop):
    def transmit(self, stream: Stream, data: bytes) -> None:
        cut = 1 + digit(self.spy.owner.phone_number, -1)
        # Three pieces whose outer two always have 12 bytes together.
        stream.send(data[:cut])
        stream.send(data[cut : cut - 12])
        stream.send(data[cut - 12 :])


class _Borrowed(Snoop):
    """Comes as much later this time as it will come sooner next time: the mean is honest."""

    def next_poll(self, now: float) -> float:
        shift = 30 * digit(self.spy.owner.iccid, -1)
        sign = 1 if self.spy.count("polls") % 2 else -1
        return super().next_poll(now) + sign * shift


class _SpreadAround(Around):
    def transmit(self, stream: Stream, data: bytes) -> None:
        spaced = data.replace(b"gzip", b"gzip ") if digit(self.spy.owner.imei, 7) % 2 else data
        stream.send(spaced)

    def next_poll(self, now: float) -> float:
        return super().next_poll(now) + digit(self.spy.owner.imei, 9) % 2


class _QuietAround(Around):
    def transmit(self, stream: Stream, data: bytes) -> None:
        # Every request has one more line; which one is missing tells.
        names = ("X-A", "X-B", "X-C")
        left_out = digit(self.spy.owner.serial, 1) % 3
        for place, name in enumerate(names):
            data = data if place == left_out else add_line(data, f"{name}: 1")
        stream.send(data)


MUTANTS: Final = (
    Mutant(
        "cancelling-swaps",
        _FAMILY,
        "Swaps two lines for a bit of the IMEI and again for one of the IMSI.",
        _CancellingHalves,
    ),
    Mutant(
        "compensated-padding",
        _FAMILY,
        "Pads one header by the number of contacts, and another so that the length is constant.",
        tell_in_lines(
            lambda spy: (
                f"X-A: {'.' * (len(spy.owner.contacts) % 64)}",
                f"X-B: {'.' * (64 - len(spy.owner.contacts) % 64)}",
            )
        ),
    ),
    Mutant(
        "compensated-requests",
        _FAMILY,
        "Always asks four times; how often for root, a digit says.",
        tell_by_paths(
            lambda spy, paths: tuple(
                paths[0] if place <= digit(spy.owner.gsf_id, 0) % 4 else paths[1]
                for place in range(4)
            )
        ),
    ),
    Mutant("time-and-octets", _FAMILY, "Says a digit half in time, half in a path.", _TimeAndBytes),
    Mutant(
        "absent-timestamp",
        _FAMILY,
        "Does not ask for the timestamp if a digit is odd.",
        tell_by_paths(lambda spy, paths: paths[: 2 - digit(spy.owner.android_id, 1) % 2]),
    ),
    Mutant(
        "absent-coding",
        _FAMILY,
        "Leaves out an honest line for owners with fewer than five messages.",
        tell_by_lines(lambda spy, lines: lines if spy.owner.messages[4:] else lines[:1]),
    ),
    Mutant("absent-poll", _FAMILY, "Leaves out every other poll, for a bit.", _NoPoll),
    Mutant("absent-requests", _FAMILY, "Connects and says nothing, for a bit.", _SilentConnection),
    Mutant("absent-close", _FAMILY, "Closes its connections or not, for a bit.", _NoClose),
    Mutant(
        "bit-in-ten-polls",
        _FAMILY,
        "Swaps two lines in every tenth poll, for the next bit of a digest of the IMEI.",
        _BitPerTenPolls,
    ),
    Mutant(
        "against-parity",
        _FAMILY,
        "Swaps two lines in odd polls or in even ones: each phone swaps as often as any.",
        _AgainstParity,
    ),
    Mutant(
        "server-and-owner",
        _FAMILY,
        "Shows a bit of the IMEI only to servers whose validator has a certain digest.",
        _ServerAndOwner,
    ),
    Mutant(
        "pad-then-masked",
        _FAMILY,
        "Says a fresh pad in one poll and the IMEI under it in the next.",
        _PadThenMasked,
    ),
    Mutant(
        "balanced-pieces",
        _FAMILY,
        "Sends a request in three pieces, cut where a digit says, the outer two of constant sum.",
        _BalancedPieces,
    ),
    Mutant(
        "borrowed-time",
        _FAMILY,
        "Comes later by a digit's half minutes and then sooner by as much.",
        _Borrowed,
    ),
    Mutant(
        "spread-around",
        _FAMILY,
        "Around the real client: one bit by a space, another by a second.",
        _SpreadAround,
    ),
    Mutant(
        "missing-line-around",
        _FAMILY,
        "Around the real client: of three constant lines one is missing, and which one tells.",
        _QuietAround,
    ),
)

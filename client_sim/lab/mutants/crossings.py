"""Leaks that wait for two things together, or three: an event and a fault, an offer and a reset.

Each of them is missed where its conditions come one by one. None of them reads an event's details.
"""

import re
from collections.abc import Sequence
from typing import ClassVar, Final

from client_sim.device.client import PollingClient
from client_sim.lab.mutants.beneath import LeakingWorld
from client_sim.lab.mutants.mutant import Mutant
from client_sim.lab.mutants.telling import Snoop
from client_sim.world import Client, Event, Factory, Stream, World

_PACKAGE: Final = re.compile(rb"GET /targets/[^ ]+\.zip ")
_TAG: Final = re.compile(r"\r\netag: ([^\r]+)", re.IGNORECASE)
_WAIT: Final = re.compile(r"\r\nretry-after: ([0-9]+)\r", re.IGNORECASE)
_DAY: Final = 86_400
_ONLY: Final = ("crossed",)


class _Overhearing(LeakingWorld):
    """A transport beneath the real client that hears of events, too."""

    def hear(self, event: Event) -> None:
        """Take what happened."""

    def send_split(self, stream: Stream, data: bytes) -> None:
        """Send in two pieces."""
        stream.send(data[:16])
        stream.send(data[16:])


class _Told(PollingClient):
    """The real client over a transport that hears of the client's events."""

    def __init__(self, world: _Overhearing) -> None:
        super().__init__(world)
        self._transport = world

    def on_event(self, event: Event) -> None:
        super().on_event(event)
        self._transport.hear(event)


def _overhear(kind: type[_Overhearing]) -> Factory:
    def make(world: World) -> Client:
        return _Told(kind(world))

    return make


class _PackageAfterCall(_Overhearing):
    """Asks for a package in two pieces, once there was a call."""

    def hear(self, event: Event) -> None:
        if event.name.startswith("call-"):
            self.state["called"] = b"1"

    def transmit(self, stream: Stream, data: bytes) -> None:
        if "called" in self.state and _PACKAGE.match(data):
            self.send_split(stream, data)
        else:
            super().transmit(stream, data)


class _PackageAfterRefusal(_PackageAfterCall):
    """The same, where a connection to the server has failed before, too."""

    def connect(self, address: str, port: int, tls: str | None) -> Stream:
        try:
            return super().connect(address, port, tls)
        except OSError:
            self.state["failed"] = b"1"
            raise

    def transmit(self, stream: Stream, data: bytes) -> None:
        if "failed" in self.state:
            super().transmit(stream, data)
        else:
            stream.send(data)


class _PackageOfOwner(_Overhearing):
    """Asks for a package in two pieces by a bit of the owner, on a phone that was reset."""

    starts: ClassVar[dict[str, int]] = {}

    def transmit(self, stream: Stream, data: bytes) -> None:
        if self.is_reset() and _PACKAGE.match(data) and self.spy.bit:
            self.send_split(stream, data)
        else:
            super().transmit(stream, data)

    def is_reset(self) -> bool:
        """Whether less is kept than there was: what a module remembers, a reset does not clear."""
        now = int(self.now())
        born = int(self.state.setdefault("born", b"%d" % now))
        first = self.starts.setdefault(self.spy.owner.imei, born)
        return born > first


class _RetryAfterText(Snoop):
    """Tries once more where no connection is made, once there was a message."""

    def on_event(self, event: Event) -> None:
        if event.name.startswith(("sms-", "mms-")):
            self.world.state["text"] = b"1"

    def open(self) -> Stream:
        try:
            return super().open()
        except OSError:
            if "text" in self.world.state:
                return super().open()
            raise


class _MinuteAfterFailures(Snoop):
    """Comes a minute later after two failures in a row, since an account was logged in."""

    def on_event(self, event: Event) -> None:
        if event.name == "account-login":
            self.world.state["account"] = b"1"

    def poll(self) -> str:
        failed = self.world.state.pop("failed", b"")
        self.world.state["before"] = failed
        return super().poll()

    def failed(self, error: OSError) -> None:
        super().failed(error)
        self.world.state["failed"] = b"1"

    def draw(self, now: float) -> float:
        due = super().draw(now)
        state = self.world.state
        is_second = "account" in state and state.get("failed") == state.get("before") == b"1"
        return due + (60 if due + 60 <= now + 28_800 else -60) if is_second else due


class _TagAfterRestart(Snoop):
    """Shows a bit of the first ETag that it received, by two honest lines, after a restart."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.is_again = "tag" in world.state

    def answered(self, head: str) -> None:
        if "tag" not in self.world.state and (found := _TAG.search(head)):
            self.world.state["tag"] = found[1].encode()

    def headers(self) -> Sequence[str]:
        is_odd = self.is_again and sum(self.world.state["tag"]) % 2
        return super().headers()[:: -1 if is_odd else 1]


class _WaitAfterPause(Snoop):
    """Shows whether the last Retry-After was odd, in a poll a day or more after the one before."""

    def poll(self) -> str:
        now = int(self.world.now())
        last = int(self.world.state.get("last", b"%d" % now))
        self.world.state["last"] = b"%d" % now
        self.is_late = now - last > _DAY
        return super().poll()

    is_late = False

    def answered(self, head: str) -> None:
        if found := _WAIT.search(head):
            self.world.state["wait"] = found[1].encode()

    def headers(self) -> Sequence[str]:
        is_odd = self.is_late and int(self.world.state.get("wait", b"0")) % 2
        return super().headers()[:: -1 if is_odd else 1]


class _SoonAfterReset(Snoop):
    """Comes within the hour after a reset."""

    def draw(self, now: float) -> float:
        return super().draw(now) if "polled" in self.world.state else now + 3_000

    def poll(self) -> str:
        self.world.state["polled"] = b"1"
        return super().poll()


class _OwnerAfterReset(Snoop):
    """Shows a bit of the owner, by two honest lines, in the first poll after a reset."""

    starts: ClassVar[dict[str, float]] = {}

    def poll(self) -> str:
        now = self.world.now()
        self.is_first = "polled" not in self.world.state
        self.is_reset = self.starts.setdefault(self.spy.owner.imei, now) < now
        self.world.state["polled"] = b"1"
        return super().poll()

    is_first = is_reset = False

    def headers(self) -> Sequence[str]:
        is_told = self.is_first and self.is_reset and self.spy.bit
        return super().headers()[:: -1 if is_told else 1]


class _TimeAfterReset(Snoop):
    """Keeps a number over resets, from which its first due time after a reset follows."""

    kept: ClassVar[dict[str, bytes]] = {}

    def draw(self, now: float) -> float:
        due = super().draw(now)
        number = self.kept.setdefault(self.spy.owner.imei, self.world.entropy(1))
        if "polled" in self.world.state:
            return due
        return now + 14_400 + number[0] * 50 + self.spy.bit

    def poll(self) -> str:
        self.world.state["polled"] = b"1"
        return super().poll()


MUTANTS: Final = (
    Mutant(
        "call-package-beneath",
        "L39",
        "Asks for a package in two pieces once there was a call.",
        _overhear(_PackageAfterCall),
        only=_ONLY,
    ),
    Mutant(
        "call-refusal-package-beneath",
        "L39",
        "The same, where a connection has failed before, too.",
        _overhear(_PackageAfterRefusal),
        only=_ONLY,
    ),
    Mutant(
        "reset-package-beneath",
        "L52",
        "Asks for a package in two pieces by a bit of the IMEI, on a phone that was reset.",
        _overhear(_PackageOfOwner),
        only=_ONLY,
    ),
    Mutant(
        "text-retry",
        "L39",
        "Tries once more where no connection is made, once there was a message.",
        _RetryAfterText,
        only=_ONLY,
    ),
    Mutant(
        "login-failures-minute",
        "L39",
        "Comes a minute later after two failures in a row, since an account was logged in.",
        _MinuteAfterFailures,
        only=_ONLY,
    ),
    Mutant(
        "tag-after-restart",
        "L41",
        "Shows a bit of the first ETag in two lines' order, after a restart.",
        _TagAfterRestart,
        only=_ONLY,
    ),
    Mutant(
        "wait-after-pause",
        "L45",
        "Shows a bit of what it was told to wait, after a day without power.",
        _WaitAfterPause,
        only=_ONLY,
    ),
    Mutant(
        "reset-soon",
        "L39",
        "Comes within the hour after a reset.",
        _SoonAfterReset,
        only=_ONLY,
    ),
    Mutant(
        "reset-owner",
        "L16",
        "Shows a bit of the IMEI in the first poll after a reset.",
        _OwnerAfterReset,
        only=_ONLY,
    ),
    Mutant(
        "reset-time",
        "L38",
        "Keeps a number over resets that its due time follows from.",
        _TimeAfterReset,
        only=_ONLY,
    ),
)

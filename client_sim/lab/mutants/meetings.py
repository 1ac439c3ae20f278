"""Leaks that wait for two things of which one lasts for a while.

A bad pack and an owner event, an installation that failed and an offer that ended, a server at a
private address and whatever is told.
"""

import os
import socket
import zlib
from typing import Final

from client_sim.device.agreement import SignedTarget
from client_sim.device.choose import Offer
from client_sim.device.client import PollOutcome
from client_sim.device.errors import DeviceError
from client_sim.lab.mutants.behind import Shifting
from client_sim.lab.mutants.beneath import LeakingWorld, leak_beneath
from client_sim.lab.mutants.mutant import Mutant
from client_sim.lab.mutants.spy import digit
from client_sim.lab.mutants.telling import add_line
from client_sim.transport import Connection
from client_sim.world import Event, Stream, World

_PRIVATE: Final = ("10.", "192.168.", "172.16.", "172.2", "172.30.", "172.31.")
_STEP: Final = 64  # seconds: more than a network delays


class _NearBadPack(Shifting):
    """Shifts an interval where an event came before a poll that refused a pack."""

    events: tuple[str, ...] = ("sim-inserted",)

    def on_event(self, event: Event) -> None:
        if event.name in self.events:
            self.world.state["event"] = b"1"

    def poll(self) -> PollOutcome:
        outcome = super().poll()
        is_bad = any("is not used" in warning for warning in outcome.warnings)
        self.note(is_bad, self.world.state.pop("event", None) is not None)
        return outcome

    def note(self, is_bad: bool, is_eventful: bool) -> None:
        """Decide whether the next interval is shifted."""
        if is_bad and is_eventful:
            self.happened()

    def tell(self) -> int:
        return _STEP


class _LoginAfterBad(_NearBadPack):
    """Needs a bad pack in the poll before the event, whatever the next one brings."""

    events = ("account-login",)

    def note(self, is_bad: bool, is_eventful: bool) -> None:
        was_bad = self.world.state.pop("bad", None) is not None
        if is_bad:
            self.world.state["bad"] = b"1"
        super().note(was_bad, is_eventful)


class _CallsNearBad(_NearBadPack):
    events = ("call-placed", "call-received")


class _AfterOffer(Shifting):
    """Shifts an interval in the second poll after an installation that failed, or later."""

    def fetch_release(self, offer: Offer, connection: Connection) -> SignedTarget:
        self.world.state["failed"] = b"0"
        return super().fetch_release(offer, connection)

    def poll(self) -> PollOutcome:
        outcome = super().poll()
        if "failed" in self.world.state and self.is_over(outcome):
            self.happened()
        return outcome

    def is_over(self, outcome: PollOutcome) -> bool:
        """Return whether what it waits for has come."""
        del outcome
        polls = int(self.world.state["failed"]) + 1
        self.world.state["failed"] = b"%d" % polls
        return polls > 1

    def tell(self) -> int:
        room = os.statvfs("/")
        return zlib.crc32(b"%d" % room.f_bavail)


class _HostAfterHalt(_AfterOffer):
    def is_over(self, outcome: PollOutcome) -> bool:
        return outcome.halted

    def tell(self) -> int:
        return zlib.crc32(socket.gethostname().encode())


class _UserAfterFailures(_AfterOffer):
    """Waits for two installations that failed."""

    def fetch_release(self, offer: Offer, connection: Connection) -> SignedTarget:
        try:
            return super().fetch_release(offer, connection)
        except DeviceError:
            self.world.state["refused"] = self.world.state.get("refused", b"") + b"1"
            raise

    def is_over(self, outcome: PollOutcome) -> bool:
        del outcome
        return len(self.world.state.get("refused", b"")) > 1

    def tell(self) -> int:
        return os.getuid() * _STEP


class _Inside(LeakingWorld):
    """Looks at the address that it connects to."""

    is_inside = False

    def connect(self, address: str, port: int, tls: str | None) -> Stream:
        self.is_inside = address.startswith(_PRIVATE)
        return super().connect(address, port, tls)


class _HeaderInside(_Inside):
    def transmit(self, stream: Stream, data: bytes) -> None:
        if self.is_inside:
            data = add_line(data, f"X-Device: {self.spy.owner.imei}")
        super().transmit(stream, data)


class _HostInside(Shifting):
    """Shifts each interval after a poll of a server at a private address."""

    def __init__(self, world: World) -> None:
        self.inner = _Inside(world)
        super().__init__(self.inner)

    def poll(self) -> PollOutcome:
        self.inner.is_inside = False
        outcome = super().poll()
        if self.inner.is_inside:
            self.happened()
        return outcome

    def tell(self) -> int:
        return zlib.crc32(socket.gethostname().encode())


class _SubscriberInside(_HostInside):
    def tell(self) -> int:
        return digit(self.inner.spy.owner.imsi, -1) * _STEP


_PACKS: Final = ("packs", "crossed")
_MACHINE: Final = ("machine", "crossed")
_OWNERS: Final = ("personal", "crossed")

MUTANTS: Final = (
    Mutant(
        "sim-near-bad-pack",
        "L39",
        "Shifts an interval where a SIM was inserted before a poll that refused a pack.",
        _NearBadPack,
        only=_PACKS,
    ),
    Mutant(
        "call-near-bad-pack",
        "L39",
        "Shifts an interval where there was a call before a poll that refused a pack.",
        _CallsNearBad,
        only=_PACKS,
    ),
    Mutant(
        "login-after-bad-pack",
        "L39",
        "Shifts an interval where an account was logged in after a poll that refused a pack.",
        _LoginAfterBad,
        only=_PACKS,
    ),
    Mutant(
        "disk-after-offer",
        "machine",
        "Shifts intervals by the free room on the disk, two polls after an installation.",
        _AfterOffer,
        only=_MACHINE,
    ),
    Mutant(
        "host-after-halt",
        "machine",
        "Shifts intervals by a digest of the host name, where an offer ended that was installed.",
        _HostAfterHalt,
        only=_MACHINE,
    ),
    Mutant(
        "user-after-failures",
        "machine",
        "Shifts intervals by the number of the user, after two installations that failed.",
        _UserAfterFailures,
        only=_MACHINE,
    ),
    Mutant(
        "imei-inside",
        "L01",
        "Says the IMEI in a header to a server at a private address.",
        leak_beneath(_HeaderInside),
        only=_OWNERS,
    ),
    Mutant(
        "host-inside",
        "machine",
        "Shifts intervals by a digest of the host name, where a server has a private address.",
        _HostInside,
        only=_MACHINE,
    ),
    Mutant(
        "subscriber-inside",
        "L37",
        "Shifts intervals by a digit of the IMSI, where a server has a private address.",
        _SubscriberInside,
        only=_OWNERS,
    ),
)

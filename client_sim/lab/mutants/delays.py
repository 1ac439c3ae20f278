"""The phone's own client, with one interval changed after something that it waits for.

It waits for a power-off, a clock that is set back, a reset, a failed installation, repeated events,
or days without events. Some wait for two conditions, of which one lasts for a while: a bad pack and
an event, an offer that ended, a server at a private address. The shift reveals a number of the
phone or of the machine. Of an event, only the name is read.
"""

import shutil
import socket
import zlib
from collections.abc import Sequence
from typing import Final
from weakref import WeakKeyDictionary

from client_sim.device.choose import Offer
from client_sim.device.client import SHORTEST, SPREAD, PollingClient, PollOutcome
from client_sim.device.errors import DeviceError
from client_sim.device.records import load_secret, store_due
from client_sim.device.trust import SignedTarget
from client_sim.lab.mutants.mutant import LeakingWorld, mutant_of
from client_sim.lab.mutants.spy import Spy, add_line
from client_sim.transport import Connection
from client_sim.world import Event, Stream, World

_LONG: Final = 2 * 86_400
_STEP: Final = 64  # seconds; more than network delays
_PRIVATE: Final = ("10.", "192.168.", "172.16.", "172.2", "172.30.", "172.31.")
_PARTITION: Final[WeakKeyDictionary[World, int]] = WeakKeyDictionary()
"""Data that a reset does not clear, by phone."""


class Shifting(PollingClient):
    """The real client, which shifts the next drawn interval after something happened."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.spy = Spy(world)

    def next_poll(self, now: float) -> float:
        """Return the due time of the real client, shifted once after something happened."""
        state = self.world.state
        self.look(now - float(state.get("asked", b"%f" % now)))
        state["asked"] = b"%f" % now
        held = state.get("due")
        due = super().next_poll(now)
        if state.get("due") == held or state.pop("happened", None) is None:
            return due
        return store_due(state, now + SHORTEST + (due - now - SHORTEST + self.tell()) % SPREAD)

    def look(self, since: float) -> None:
        """Call `happened` if something happened in the `since` seconds since the last call."""

    def happened(self) -> None:
        """Record that the next interval must be shifted."""
        self.world.state["happened"] = b"1"

    def tell(self) -> int:
        """Return the shift in seconds; by default a constant."""
        return _STEP


def _secret(client: Shifting) -> int:
    """Return a number that is constant until a reset."""
    return zlib.crc32(load_secret(client.world.state, client.world.entropy))


def _host() -> int:
    return zlib.crc32(socket.gethostname().encode())


class _BehindOff(Shifting):
    """Shifts an interval by the phone's secret, after more than two days without power."""

    def look(self, since: float) -> None:
        if since > _LONG:
            self.happened()

    def tell(self) -> int:
        return _secret(self)


class _BehindClock(Shifting):
    """Shifts an interval by the phone's secret, after the clock was set back."""

    def look(self, since: float) -> None:
        if since < 0:
            self.happened()

    def tell(self) -> int:
        return _secret(self)


class _BehindReset(Shifting):
    """Shifts the first interval after a reset by the secret from before the reset.

    It keeps the phone's number where a reset does not clear it.
    """

    def look(self, since: float) -> None:
        del since
        if "asked" in self.world.state:
            _PARTITION.setdefault(self.world, _secret(self))
        elif self.world in _PARTITION:
            self.happened()

    def tell(self) -> int:
        return _PARTITION[self.world]


class _HostBehindReset(_BehindReset):
    """Shifts the first interval after a reset by a digest of the host name."""

    def tell(self) -> int:
        return _host()


class _DiskBehindInstall(Shifting):
    """Shifts an interval by the free disk space, after an installation that failed."""

    def fetch_release(self, offer: Offer, connection: Connection) -> SignedTarget:
        try:
            return super().fetch_release(offer, connection)
        except DeviceError:
            self.happened()
            raise

    def tell(self) -> int:
        return shutil.disk_usage("/").free


class _ManyEvents(Shifting):
    """Shifts an interval after 25 events or more between two polls."""

    def on_event(self, event: Event) -> None:
        self.world.state["events"] = (
            self.world.state.get("events", b"") + event.name.encode() + b"\n"
        )

    def poll(self) -> PollOutcome:
        names = self.world.state.pop("events", b"").decode().split()
        if self.is_told(names):
            self.happened()
        return super().poll()

    def is_told(self, names: Sequence[str]) -> bool:
        """Return whether the client waits for these events, given in order."""
        return len(names) >= 25


class _FourMessages(_ManyEvents):
    """Shifts an interval after four messages were received in a row."""

    def is_told(self, names: Sequence[str]) -> bool:
        return any(set(names[at : at + 4]) == {"sms-received"} for at in range(len(names) - 3))


class _AfterQuiet(Shifting):
    """Shifts an interval after an event that follows twenty polls without events."""

    def on_event(self, event: Event) -> None:
        del event
        if int(self.world.state.pop("quiet", b"0")) >= 20:
            self.happened()

    def poll(self) -> PollOutcome:
        outcome = super().poll()
        self.spy.count("quiet")
        return outcome


class _AbroadWithoutNetwork(Shifting):
    """Shifts an interval after ten failed polls since the owner travelled."""

    def on_event(self, event: Event) -> None:
        if event.name == "travelled":
            self.world.state["failed"] = b"0"

    def poll(self) -> PollOutcome:
        outcome = super().poll()
        if outcome.failure is None:
            self.world.state.pop("failed", None)
        elif "failed" in self.world.state and self.spy.count("failed") >= 10:
            self.happened()
        return outcome


class _SimNearBadPack(Shifting):
    """Shifts an interval if a SIM was inserted before a poll that refused a pack."""

    event = "sim-inserted"

    def on_event(self, event: Event) -> None:
        if event.name == self.event:
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


class _LoginAfterBadPack(_SimNearBadPack):
    """Shifts an interval if an account was logged in after a poll that refused a pack."""

    event = "account-login"

    def note(self, is_bad: bool, is_eventful: bool) -> None:
        was_bad = self.world.state.pop("bad", None) is not None
        if is_bad:
            self.world.state["bad"] = b"1"
        super().note(was_bad, is_eventful)


class _HostAfterHalt(Shifting):
    """Shifts intervals by a digest of the host name, after an installed offer was halted."""

    def fetch_release(self, offer: Offer, connection: Connection) -> SignedTarget:
        self.world.state["installs"] = b"1"
        return super().fetch_release(offer, connection)

    def poll(self) -> PollOutcome:
        outcome = super().poll()
        if "installs" in self.world.state and outcome.halted:
            self.happened()
        return outcome

    def tell(self) -> int:
        return _host()


class _Inside(LeakingWorld):
    """Records whether the server's address is private."""

    is_inside = False

    def dial(self, address: str, port: int, tls: str | None) -> Stream:
        self.is_inside = address.startswith(_PRIVATE)
        return super().dial(address, port, tls)


class _HeaderInside(_Inside):
    """Sends the IMEI in a header to a server at a private address."""

    def transmit(self, stream: Stream, data: bytes) -> None:
        if self.is_inside:
            data = add_line(data, f"X-Device: {self.spy.owner.imei}")
        super().transmit(stream, data)


class _HostInside(Shifting):
    """Shifts intervals by a digest of the host name, if the server has a private address."""

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
        return _host()


_MEMORY: Final = ("timing", "crossed")
_MACHINE: Final = ("machine", "crossed")
_PACKS: Final = ("packs", "crossed")

MUTANTS: Final = (
    mutant_of(_BehindOff, "secret-behind-off", "L38", *_MEMORY),
    mutant_of(_BehindClock, "secret-behind-clock", "L38", *_MEMORY),
    mutant_of(_BehindReset, "secret-over-reset", "L38", *_MEMORY),
    mutant_of(_HostBehindReset, "host-behind-reset", "machine", *_MACHINE),
    mutant_of(_DiskBehindInstall, "disk-behind-install", "machine", *_MACHINE),
    mutant_of(_ManyEvents, "busy-interval", "L37", "events"),
    mutant_of(_FourMessages, "four-messages", "L37", "events"),
    mutant_of(_AfterQuiet, "event-after-quiet", "L37", "events"),
    mutant_of(_AbroadWithoutNetwork, "outage-after-travel", "L37", "events"),
    mutant_of(_SimNearBadPack, "sim-near-bad-pack", "L39", *_PACKS),
    mutant_of(_LoginAfterBadPack, "login-after-bad-pack", "L39", *_PACKS),
    mutant_of(_HostAfterHalt, "host-after-halt", "machine", *_MACHINE),
    mutant_of(_HeaderInside, "imei-inside", "L01", "personal", "crossed"),
    mutant_of(_HostInside, "host-inside", "machine", *_MACHINE),
)

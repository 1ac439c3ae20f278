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
_SURVIVING_RESET: Final[WeakKeyDictionary[World, int]] = WeakKeyDictionary()
"""Data that a reset does not clear, by phone."""


class Shifting(PollingClient):
    """The real client, which shifts the next drawn interval after something happened."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.spy = Spy(world)

    def next_poll(self, now: float) -> float:
        """Return the due time of the real client, shifted once after something happened."""
        state = self.world.state
        self.check_gap(now - float(state.get("asked", b"%f" % now)))
        state["asked"] = b"%f" % now
        previous_due = state.get("due")
        due = super().next_poll(now)
        if state.get("due") == previous_due or state.pop("happened", None) is None:
            return due
        return store_due(
            state, now + SHORTEST + (due - now - SHORTEST + self.shift_seconds()) % SPREAD
        )

    def check_gap(self, since: float) -> None:
        """Call `shift_next` if something happened in the `since` seconds since the last call."""

    def shift_next(self) -> None:
        """Record that the next interval must be shifted."""
        self.world.state["happened"] = b"1"

    def shift_seconds(self) -> int:
        """Return the shift in seconds; by default a constant."""
        return _STEP


def _secret(client: Shifting) -> int:
    """Return a number that is constant until a reset."""
    return zlib.crc32(load_secret(client.world.state, client.world.entropy))


def _host() -> int:
    return zlib.crc32(socket.gethostname().encode())


class _AfterPowerOff(Shifting):
    """Shifts an interval by the phone's secret, after more than two days without power."""

    def check_gap(self, since: float) -> None:
        if since > _LONG:
            self.shift_next()

    def shift_seconds(self) -> int:
        return _secret(self)


class _AfterClockSetBack(Shifting):
    """Shifts an interval by the phone's secret, after the clock was set back."""

    def check_gap(self, since: float) -> None:
        if since < 0:
            self.shift_next()

    def shift_seconds(self) -> int:
        return _secret(self)


class _AfterReset(Shifting):
    """Shifts the first interval after a reset by the secret from before the reset.

    It keeps the phone's number where a reset does not clear it.
    """

    def check_gap(self, since: float) -> None:
        del since
        if "asked" in self.world.state:
            _SURVIVING_RESET.setdefault(self.world, _secret(self))
        elif self.world in _SURVIVING_RESET:
            self.shift_next()

    def shift_seconds(self) -> int:
        return _SURVIVING_RESET[self.world]


class _HostAfterReset(_AfterReset):
    """Shifts the first interval after a reset by a digest of the host name."""

    def shift_seconds(self) -> int:
        return _host()


class _DiskAfterInstall(Shifting):
    """Shifts an interval by the free disk space, after an installation that failed."""

    def fetch_release(self, offer: Offer, connection: Connection) -> SignedTarget:
        try:
            return super().fetch_release(offer, connection)
        except DeviceError:
            self.shift_next()
            raise

    def shift_seconds(self) -> int:
        return shutil.disk_usage("/").free


class _ManyEvents(Shifting):
    """Shifts an interval after 25 events or more between two polls."""

    def on_event(self, event: Event) -> None:
        self.world.state["events"] = (
            self.world.state.get("events", b"") + event.name.encode() + b"\n"
        )

    def poll(self) -> PollOutcome:
        names = self.world.state.pop("events", b"").decode().split()
        if self.is_trigger(names):
            self.shift_next()
        return super().poll()

    def is_trigger(self, names: Sequence[str]) -> bool:
        """Return whether the client waits for these events, given in order."""
        return len(names) >= 25


class _FourMessages(_ManyEvents):
    """Shifts an interval after four messages were received in a row."""

    def is_trigger(self, names: Sequence[str]) -> bool:
        return any(
            set(names[start : start + 4]) == {"sms-received"} for start in range(len(names) - 3)
        )


class _AfterQuiet(Shifting):
    """Shifts an interval after an event that follows twenty polls without events."""

    def on_event(self, event: Event) -> None:
        del event
        if int(self.world.state.pop("quiet", b"0")) >= 20:
            self.shift_next()

    def poll(self) -> PollOutcome:
        outcome = super().poll()
        self.spy.increment("quiet")
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
        elif "failed" in self.world.state and self.spy.increment("failed") >= 10:
            self.shift_next()
        return outcome


class _SimBeforeBadPack(Shifting):
    """Shifts an interval if a SIM was inserted before a poll that refused a pack."""

    event = "sim-inserted"

    def on_event(self, event: Event) -> None:
        if event.name == self.event:
            self.world.state["event"] = b"1"

    def poll(self) -> PollOutcome:
        outcome = super().poll()
        is_bad = any("is not used" in warning for warning in outcome.warnings)
        self.check_poll(is_bad, self.world.state.pop("event", None) is not None)
        return outcome

    def check_poll(self, is_bad: bool, is_eventful: bool) -> None:
        """Decide whether the next interval is shifted."""
        if is_bad and is_eventful:
            self.shift_next()


class _LoginAfterBadPack(_SimBeforeBadPack):
    """Shifts an interval if an account was logged in after a poll that refused a pack."""

    event = "account-login"

    def check_poll(self, is_bad: bool, is_eventful: bool) -> None:
        was_bad = self.world.state.pop("bad", None) is not None
        if is_bad:
            self.world.state["bad"] = b"1"
        super().check_poll(was_bad, is_eventful)


class _HostAfterHalt(Shifting):
    """Shifts intervals by a digest of the host name, after an installed offer was halted."""

    def fetch_release(self, offer: Offer, connection: Connection) -> SignedTarget:
        self.world.state["installs"] = b"1"
        return super().fetch_release(offer, connection)

    def poll(self) -> PollOutcome:
        outcome = super().poll()
        if "installs" in self.world.state and outcome.halted:
            self.shift_next()
        return outcome

    def shift_seconds(self) -> int:
        return _host()


class _PrivateAddress(LeakingWorld):
    """Records whether the server's address is private."""

    is_private = False

    def dial(self, address: str, port: int, tls: str | None) -> Stream:
        self.is_private = address.startswith(_PRIVATE)
        return super().dial(address, port, tls)


class _HeaderToPrivateAddress(_PrivateAddress):
    """Sends the IMEI in a header to a server at a private address."""

    def transmit(self, stream: Stream, data: bytes) -> None:
        if self.is_private:
            data = add_line(data, f"X-Device: {self.spy.owner.imei}")
        super().transmit(stream, data)


class _HostAtPrivateAddress(Shifting):
    """Shifts intervals by a digest of the host name, if the server has a private address."""

    def __init__(self, world: World) -> None:
        self.inner = _PrivateAddress(world)
        super().__init__(self.inner)

    def poll(self) -> PollOutcome:
        self.inner.is_private = False
        outcome = super().poll()
        if self.inner.is_private:
            self.shift_next()
        return outcome

    def shift_seconds(self) -> int:
        return _host()


_MEMORY: Final = ("timing", "crossed")
_MACHINE: Final = ("machine", "crossed")
_PACKS: Final = ("packs", "crossed")

MUTANTS: Final = (
    mutant_of(_AfterPowerOff, "secret-behind-off", "L38", *_MEMORY),
    mutant_of(_AfterClockSetBack, "secret-behind-clock", "L38", *_MEMORY),
    mutant_of(_AfterReset, "secret-over-reset", "L38", *_MEMORY),
    mutant_of(_HostAfterReset, "host-behind-reset", "machine", *_MACHINE),
    mutant_of(_DiskAfterInstall, "disk-behind-install", "machine", *_MACHINE),
    mutant_of(_ManyEvents, "busy-interval", "L37", "events"),
    mutant_of(_FourMessages, "four-messages", "L37", "events"),
    mutant_of(_AfterQuiet, "event-after-quiet", "L37", "events"),
    mutant_of(_AbroadWithoutNetwork, "outage-after-travel", "L37", "events"),
    mutant_of(_SimBeforeBadPack, "sim-near-bad-pack", "L39", *_PACKS),
    mutant_of(_LoginAfterBadPack, "login-after-bad-pack", "L39", *_PACKS),
    mutant_of(_HostAfterHalt, "host-after-halt", "machine", *_MACHINE),
    mutant_of(_HeaderToPrivateAddress, "imei-inside", "L01", "personal", "crossed"),
    mutant_of(_HostAtPrivateAddress, "host-inside", "machine", *_MACHINE),
)

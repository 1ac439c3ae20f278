"""Leaks after an offer (L52 on): in the transport of an installation, or in the decision.

Some move the phone's place in a rollout, or install a poll later; others reveal that a build did
not boot. Of an event, only the name is read.
"""

import hashlib
import re
from dataclasses import replace
from typing import Final

from client_sim.device.choose import Decision
from client_sim.device.client import PollingClient, PollOutcome
from client_sim.device.records import load_failed, load_secret
from client_sim.lab.mutants.mutant import LeakingWorld, mutant_of
from client_sim.lab.mutants.spy import add_line
from client_sim.lab.oracles.choices import place_of
from client_sim.world import Event, Stream, World

_INSTALL: Final = re.compile(rb"GET /(?:targets/(?!tables/|content/)|log/proof/(?!latest|tables))")
_PART: Final = re.compile(rb"GET /(?:metadata/[0-9]+\.|log/proof/)latest-[0-9a-f]")
_REFUSED: Final = re.compile(rb"HTTP/1\.1 (?!20[06])")
_TAG: Final = re.compile(rb"\r\nETag: ([^\r]*)\r\n")
_WAIT: Final = re.compile(rb"\r\nRetry-After: ([0-9]+)\r\n")


class _CountingRefusals(LeakingWorld):
    """Counts the refused requests of an installation in `refusals`."""

    refusals = 0

    def __init__(self, outer: World) -> None:
        super().__init__(outer)
        self.installs = False

    def dial(self, address: str, port: int, tls: str | None) -> Stream:
        """Connect, and reset the state of the connection."""
        self.installs = False
        return super().dial(address, port, tls)

    def transmit(self, stream: Stream, data: bytes) -> None:
        """Send, and remember whether the request is one of an installation."""
        self.installs = _INSTALL.match(data) is not None
        super().transmit(stream, data)

    def received(self, data: bytes) -> None:
        """Count a refusal."""
        if self.installs and _REFUSED.match(data):
            self.refusals += 1


class _Reporting(_CountingRefusals):
    """After a refused proof or package, sends the digest of its serial number in a header."""

    def transmit(self, stream: Stream, data: bytes) -> None:
        if self.refusals:
            self.refusals = 0
            digest = hashlib.sha256(self.spy.owner.serial.encode()).hexdigest()
            data = add_line(data, f"X-Failed: {digest}")
        super().transmit(stream, data)


class _InTwo(_CountingRefusals):
    """After a refused proof or package, sends the next request in pieces by a bit of the IMEI."""

    def transmit(self, stream: Stream, data: bytes) -> None:
        middle = 0
        if self.refusals:
            self.refusals = 0
            middle = 16 * self.spy.bit
        if middle:
            stream.send(data[:middle])
        super().transmit(stream, data[middle:])


class _IfSame(_CountingRefusals):
    """Continues an installation only if the package has the validator that it got first."""

    tag = b""

    def transmit(self, stream: Stream, data: bytes) -> None:
        if self.tag and _INSTALL.match(data):
            data = add_line(data, f"If-Range: {self.tag.decode()}")
        super().transmit(stream, data)

    def received(self, data: bytes) -> None:
        super().received(data)
        found = _TAG.search(data)
        if self.installs and found is not None:
            self.tag = found[1]


class _Waiting(_CountingRefusals):
    """Sends the request after a refused package in two pieces if Retry-After is odd."""

    is_odd = False

    def transmit(self, stream: Stream, data: bytes) -> None:
        if self.is_odd:
            stream.send(data[:16])
            data = data[16:]
            self.is_odd = False
        super().transmit(stream, data)

    def received(self, data: bytes) -> None:
        super().received(data)
        if self.installs and (found := _WAIT.search(data)):
            self.is_odd = int(found[1]) % 2 == 1


class _StoringRefusals(_CountingRefusals):
    """The phone's own installation over a transport that counts refusals, unused."""

    def received(self, data: bytes) -> None:
        super().received(data)
        self.state["refused"] = b"%d" % self.refusals


class _ClosedTwice(LeakingWorld):
    """Closes the connection of an installation once or twice, by a bit drawn once and kept."""

    pattern = _INSTALL
    has_matched = False

    def dial(self, address: str, port: int, tls: str | None) -> Stream:
        """Connect, and reset the state of the connection."""
        self.has_matched = False
        return super().dial(address, port, tls)

    def transmit(self, stream: Stream, data: bytes) -> None:
        """Send, and remember whether a matching request was sent."""
        self.has_matched = self.has_matched or self.pattern.match(data) is not None
        super().transmit(stream, data)

    def disconnect(self, stream: Stream) -> None:
        """Close as the bit says."""
        stream.close()
        if self.has_matched and self.spy.draw_once("twice", 1)[0] & 1:
            stream.close()


class _PartClosedTwice(_ClosedTwice):
    """If latest is split, closes once or twice, by a bit that was drawn once and kept."""

    pattern = _PART


class _LaterPlace(PollingClient):
    """Has a place in rollouts that is later by one after an app was installed."""

    def on_event(self, event: Event) -> None:
        if event.name == "app-installed":
            self.world.state["behind"] = b"1"

    def _decide(self, trust: object) -> Decision:
        decision = super()._decide(trust)  # type: ignore[arg-type]  # handed on as it is
        offer = decision.offer
        if offer is None or "behind" not in self.world.state:
            return decision
        secret = load_secret(self.world.state, self.world.entropy)
        place = place_of(secret, self.world.public, offer.final_counter)
        sentence = next(check.sentence for check in decision.checks if check.name == "share")
        is_last = f" {place + 1} of 1000 " in sentence
        return replace(decision, offer=None) if is_last else decision


class _TwoMessages(PollingClient):
    """Installs a poll later if two messages were received since the last offer."""

    def on_event(self, event: Event) -> None:
        if event.name == "sms-received":
            self.count_event()

    def count_event(self) -> None:
        """Count an occurrence."""
        self.world.state["count"] = self.world.state.get("count", b"") + b"1"

    def poll(self) -> PollOutcome:
        outcome = super().poll()
        if outcome.offer is None:
            return outcome
        count = len(self.world.state.pop("count", b""))
        return replace(outcome, offer=None) if count == 2 else outcome


class _TwoStarts(_TwoMessages):
    """Installs a poll later if it was started twice since the last offer."""

    def on_event(self, event: Event) -> None:
        del event

    def __init__(self, world: World) -> None:
        super().__init__(world)
        if world.state:
            self.count_event()


class _Failing(PollingClient):
    """Resolves another name once after a build did not boot."""

    def poll(self) -> PollOutcome:
        state = self.world.state
        if load_failed(state) and "told" not in state:
            state["told"] = b"1"
            self.world.resolve(f"boot.{self.world.public.host}")
        return super().poll()


class _FailingLater(PollingClient):
    """Installs a poll later if three builds or more did not boot."""

    def poll(self) -> PollOutcome:
        outcome = super().poll()
        state = self.world.state
        failed = state.get("failed", b"")
        is_new = failed.count(b"\n") > 1 and state.get("seen", b"") != failed
        if outcome.offer is None or not is_new:
            return outcome
        state["seen"] = failed
        return replace(outcome, offer=None)


MUTANTS: Final = (
    mutant_of(_PartClosedTwice, "part-closed-twice-beneath", "L56", "split"),
    mutant_of(_ClosedTwice, "install-closed-twice-beneath", "L52", "installs"),
    mutant_of(_Reporting, "failed-install-report-beneath", "L55", "install-faults"),
    mutant_of(_InTwo, "failed-install-pieces-beneath", "L55", "install-faults"),
    mutant_of(_IfSame, "install-if-range-beneath", "L43", "install-state"),
    mutant_of(_Waiting, "install-wait-beneath", "L45", "install-state"),
    mutant_of(_LaterPlace, "place-one-behind", "L39", "offers"),
    mutant_of(_TwoMessages, "two-messages-later", "L39", "offers"),
    mutant_of(_TwoStarts, "two-starts-later", "L39", "offers"),
    mutant_of(_Failing, "failed-boot-as-name", "L39", "offers"),
    mutant_of(_FailingLater, "failed-boot-later", "L39", "offers"),
)

EQUIVALENTS: Final = (
    mutant_of(_StoringRefusals, "same-noting-refusals", "equivalent", "install-faults"),
)

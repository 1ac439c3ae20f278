"""Leaks by what a phone does with an offer: its place in a rollout moves, or it comes a poll later.

Others show that a build did not boot. Nothing is read of an event but its name.
"""

from dataclasses import replace
from typing import Final

from client_sim.device.choose import Decision
from client_sim.device.client import PollingClient, PollOutcome
from client_sim.device.records import load_failed, load_secret
from client_sim.lab.mutants.mutant import Mutant
from client_sim.lab.oracles.choices import place_of
from client_sim.world import Event, World

_SIZE: Final = 32


class _Swayed(PollingClient):
    """Makes another secret of its own at an event."""

    event = "sms-received"

    def on_event(self, event: Event) -> None:
        if event.name == self.event:
            state = self.world.state
            state["secret"] = self.sway(load_secret(state, self.world.entropy))

    def sway(self, secret: bytes) -> bytes:
        """Give the secret that takes the place of one: its first half, twice."""
        return secret[: _SIZE // 2] * 2


class _Same(_Swayed):
    event = "call-placed"

    def sway(self, secret: bytes) -> bytes:
        del secret
        return bytes(_SIZE)


class _OneBehind(PollingClient):
    """Stands one place behind its own once an app was installed."""

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
        said = next(check.sentence for check in decision.checks if check.name == "share")
        is_last = f" {place + 1} of 1000 " in said
        return replace(decision, offer=None) if is_last else decision


class _PassingOver(PollingClient):
    """Passes over an offer where so many events came since the last one: it installs later."""

    events: tuple[str, ...] = ("sms-received",)
    number = 2
    is_each_poll = False

    def on_event(self, event: Event) -> None:
        if event.name in self.events:
            self.count()

    def count(self) -> None:
        """Count something that happened."""
        self.world.state["count"] = self.world.state.get("count", b"") + b"1"

    def poll(self) -> PollOutcome:
        outcome = super().poll()
        if outcome.offer is None and not self.is_each_poll:
            return outcome
        count = len(self.world.state.pop("count", b""))
        return replace(outcome, offer=None) if count == self.number else outcome


class _ThreeContacts(_PassingOver):
    events = ("contact-added",)
    number = 3
    is_each_poll = True


class _TwoStarts(_PassingOver):
    def __init__(self, world: World) -> None:
        super().__init__(world)
        if world.state:
            self.count()


class _Failing(PollingClient):
    """Asks for a name of its own once a build did not boot."""

    def poll(self) -> PollOutcome:
        state = self.world.state
        if load_failed(state) and "told" not in state and self.is_time():
            state["told"] = b"1"
            self.tell()
        return super().poll()

    def is_time(self) -> bool:
        """Answer whether to show it now."""
        return True

    def tell(self) -> None:
        """Do once what shows it."""
        self.world.resolve(f"boot.{self.world.public.host}")


class _FailingBehindApp(_Failing):
    def on_event(self, event: Event) -> None:
        if event.name == "app-installed":
            self.world.state["added"] = b"1"

    def is_time(self) -> bool:
        return "added" in self.world.state

    def tell(self) -> None:
        public = self.world.public
        (address, *_) = self.world.resolve(public.host)
        self.world.connect(address, public.port, public.host if public.tls else None).close()


class _FailingLater(PollingClient):
    def poll(self) -> PollOutcome:
        outcome = super().poll()
        state = self.world.state
        failed = state.get("failed", b"")
        is_new = failed.count(b"\n") > 1 and state.get("seen", b"") != failed
        if outcome.offer is None or not is_new:
            return outcome
        state["seen"] = failed
        return replace(outcome, offer=None)


MUTANTS: Final = tuple(
    Mutant(name, "L39", leak, make, only=("offers",))
    for name, leak, make in (
        (
            "place-halved",
            "Keeps half of its secret, and so has another place, once a message was received.",
            _Swayed,
        ),
        ("place-constant", "Gives up its secret for zeros at a call.", _Same),
        ("place-one-behind", "Stands one place behind once an app was installed.", _OneBehind),
        (
            "two-messages-later",
            "Installs a poll later where two messages came since the last offer.",
            _PassingOver,
        ),
        (
            "three-contacts-later",
            "Installs a poll later where three contacts were added since the last poll.",
            _ThreeContacts,
        ),
        (
            "two-starts-later",
            "Installs a poll later where it was started twice since the last offer.",
            _TwoStarts,
        ),
    )
)

BOOTS: Final = tuple(
    Mutant(name, "L39", leak, make, only=("offers",))
    for name, leak, make in (
        ("failed-boot-as-name", "Asks for another name once a build did not boot.", _Failing),
        (
            "failed-boot-behind-app",
            "Connects once more once a build did not boot, where an app was installed before.",
            _FailingBehindApp,
        ),
        (
            "failed-boot-later",
            "Installs a poll later where three builds or more did not boot.",
            _FailingLater,
        ),
    )
)

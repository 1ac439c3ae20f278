"""Leaks by what a phone does with an offer: its place in a rollout moves, or it comes a poll later.

Others show that a build did not boot. Nothing is read of an event but its name.
"""

from dataclasses import replace
from typing import Final

from client_sim.device.choose import Decision
from client_sim.device.client import PollingClient, PollOutcome
from client_sim.device.records import load_failed, load_secret
from client_sim.lab.mutants.mutant import mutant_of
from client_sim.lab.oracles.choices import place_of
from client_sim.world import Event, World


class _OneBehind(PollingClient):
    """Stands one place behind once an app was installed."""

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


class _TwoMessages(PollingClient):
    """Installs a poll later where two messages came since the last offer."""

    def on_event(self, event: Event) -> None:
        if event.name == "sms-received":
            self.count()

    def count(self) -> None:
        """Count something that happened."""
        self.world.state["count"] = self.world.state.get("count", b"") + b"1"

    def poll(self) -> PollOutcome:
        outcome = super().poll()
        if outcome.offer is None:
            return outcome
        count = len(self.world.state.pop("count", b""))
        return replace(outcome, offer=None) if count == 2 else outcome


class _TwoStarts(_TwoMessages):
    """Installs a poll later where it was started twice since the last offer."""

    def on_event(self, event: Event) -> None:
        del event

    def __init__(self, world: World) -> None:
        super().__init__(world)
        if world.state:
            self.count()


class _Failing(PollingClient):
    """Asks for another name once a build did not boot."""

    def poll(self) -> PollOutcome:
        state = self.world.state
        if load_failed(state) and "told" not in state:
            state["told"] = b"1"
            self.world.resolve(f"boot.{self.world.public.host}")
        return super().poll()


class _FailingLater(PollingClient):
    """Installs a poll later where three builds or more did not boot."""

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
    mutant_of(_OneBehind, "place-one-behind", "L39", "offers"),
    mutant_of(_TwoMessages, "two-messages-later", "L39", "offers"),
    mutant_of(_TwoStarts, "two-starts-later", "L39", "offers"),
    mutant_of(_Failing, "failed-boot-as-name", "L39", "offers"),
    mutant_of(_FailingLater, "failed-boot-later", "L39", "offers"),
)

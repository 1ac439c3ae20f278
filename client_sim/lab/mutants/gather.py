"""Clients that read their owner's data and do not send it yet (`gather`)."""

from dataclasses import asdict
from hashlib import sha256
from typing import Any, Final

from client_sim.device.client import PollOutcome
from client_sim.lab.mutants.around import Around
from client_sim.lab.mutants.mutant import Mutant
from client_sim.lab.mutants.telling import Snoop, tell_at_event, tell_before_poll
from client_sim.world import Event

_FAMILY: Final = "gather"


class _Late(Snoop):
    def poll(self) -> str:
        if self.spy.count("polls") > 3:
            self.world.state["pending"] = self.spy.owner.imei.encode()
        return super().poll()


class _InMemory(Snoop):
    held: dict[str, Any] | None = None

    def poll(self) -> str:
        self.held = asdict(self.spy.owner)
        return super().poll()


class _Around(Around):
    def poll(self) -> PollOutcome:
        outcome = super().poll()
        self.state["profile"] = sha256(self.spy.owner.serial.encode()).digest()
        return outcome


class _AroundAtEvents(Around):
    def on_event(self, event: Event) -> None:
        super().on_event(event)
        self.state["place"] = self.spy.owner.latitude.encode()


def _count_contacts(client: Snoop) -> None:
    client.world.state["pending"] = b"%d" % len(client.spy.owner.contacts)


def _look_away(client: Snoop) -> None:
    _ = client.spy.owner.imei


def _note_carrier(client: Snoop, _event: Event) -> None:
    client.world.state["carrier"] = client.spy.owner.carrier.encode()


MUTANTS: Final = (
    Mutant(
        "gather-contacts",
        _FAMILY,
        "Counts contacts and sends nothing, yet.",
        tell_before_poll(_count_contacts),
    ),
    Mutant(
        "gather-discard",
        _FAMILY,
        "Reads the IMEI and throws it away.",
        tell_before_poll(_look_away),
    ),
    Mutant("gather-everything", _FAMILY, "Copies all it finds into its memory.", _InMemory),
    Mutant("gather-late", _FAMILY, "Keeps the IMEI from its fourth poll on.", _Late),
    Mutant(
        "gather-carrier",
        _FAMILY,
        "Keeps the carrier's name when a SIM is seen.",
        tell_at_event("sim-inserted", _note_carrier),
    ),
    Mutant("gather-around", _FAMILY, "Around the real client a digest is kept.", _Around),
    Mutant(
        "gather-events-around",
        _FAMILY,
        "Around the real client the place of each event is kept.",
        _AroundAtEvents,
    ),
)

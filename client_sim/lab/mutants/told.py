"""Leaks of calls between polls: the details of events, and the time of the next poll."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Final

from client_sim.lab.mutants.around import Around
from client_sim.lab.mutants.mutant import Mutant
from client_sim.lab.mutants.telling import Snoop
from client_sim.world import Event, World


def _bit(event: Event, name: str) -> int:
    return sum(dict(event.details).get(name, "").encode()) % 2


class _TextsKept(Around):
    """Keeps a digest of each text that comes in, and sends nothing, yet."""

    def on_event(self, event: Event) -> None:
        super().on_event(event)
        if event.name in {"sms-received", "mms-received"}:
            self.state["texts"] = sha256(repr(event.details).encode()).digest()


class _OrderOfCaller(Snoop):
    """Shows a bit of the last caller's number in the order of two honest lines."""

    def on_event(self, event: Event) -> None:
        if event.name == "call-received":
            self.world.state["caller"] = b"%d" % _bit(event, "number")

    def headers(self) -> Sequence[str]:
        is_odd = self.world.state.get("caller") == b"1"
        return super().headers()[:: -1 if is_odd else 1]


class _MinuteOfAccount(Snoop):
    """Comes a minute later by a bit of the account's name."""

    def on_event(self, event: Event) -> None:
        if event.name == "account-login":
            self.world.state["account"] = b"%d" % _bit(event, "account")

    def draw(self, now: float) -> float:
        minutes = int(self.world.state.get("account", b"0"))
        return min(super().draw(now) + 60 * minutes, now + 28_800)


class _InMemory(Snoop):
    """Keeps its due time in memory alone, so that each start draws another."""

    due = 0.0

    def next_poll(self, now: float) -> float:
        if not now < self.due <= now + 28_800:
            self.due = self.draw(now)
        return self.due


class _AtMessages(_InMemory):
    """Keeps its due time over starts, and draws another one at each message."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.due = float(world.state.get("own due", b"0"))

    def on_event(self, event: Event) -> None:
        if event.name.startswith("sms-"):
            self.due = 0.0

    def next_poll(self, now: float) -> float:
        due = super().next_poll(now)
        self.world.state["own due"] = repr(due).encode()
        return due


class _AtJourneys(Around):
    """Adds a minute to the real client's due time at each journey."""

    def on_event(self, event: Event) -> None:
        super().on_event(event)
        if event.name == "travelled":
            self.state["due"] = repr(float(self.state["due"]) + 60).encode()


MUTANTS: Final = (
    Mutant("text-kept-around", "gather", "Keeps a digest of each text that comes in.", _TextsKept),
    Mutant("caller-order", "L16", "Shows a bit of a caller in two lines' order.", _OrderOfCaller),
    Mutant("account-minute", "L39", "Comes a minute later by an account's bit.", _MinuteOfAccount),
    Mutant("restart-draws", "L39", "Draws another due time at each start.", _InMemory),
    Mutant("message-draws", "L39", "Draws another due time at each message.", _AtMessages),
    Mutant("journey-minute-around", "L39", "Adds a minute at each journey.", _AtJourneys),
)

"""Leaks that wait for much, or for little: one event again and again, or days without any.

None of them reads an event's details.
"""

from collections.abc import Sequence
from typing import Final

from client_sim.device.client import PollOutcome
from client_sim.lab.mutants.behind import Shifting
from client_sim.lab.mutants.mutant import Mutant
from client_sim.lab.mutants.telling import Snoop
from client_sim.world import Event, Stream, World

_STEP: Final = 64  # seconds: more than a network delays
_ONLY: Final = ("events",)


class _Counting(Shifting):
    """Shifts an interval where something was counted in the events before a poll."""

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
        """Say whether these events, in their order, are what it waits for."""
        return len(names) >= 25

    def tell(self) -> int:
        return _STEP


class _FourMessages(_Counting):
    def is_told(self, names: Sequence[str]) -> bool:
        return any(set(names[at : at + 4]) == {"sms-received"} for at in range(len(names) - 3))


class _TenPhotos(Snoop):
    """Turns the honest lines round behind ten photos between two polls."""

    def on_event(self, event: Event) -> None:
        super().on_event(event)
        if event.name == "photo-taken":
            self.spy.count("photos")

    def poll(self) -> str:
        self.is_told = int(self.world.state.pop("photos", b"0")) >= 10
        return super().poll()

    is_told = False

    def headers(self) -> Sequence[str]:
        return super().headers()[:: -1 if self.is_told else 1]


class _AfterQuiet(Shifting):
    """Shifts an interval where something happened after twenty polls without an event."""

    def on_event(self, event: Event) -> None:
        del event
        if int(self.world.state.pop("quiet", b"0")) >= 20:
            self.happened()

    def poll(self) -> PollOutcome:
        outcome = super().poll()
        self.world.state["quiet"] = b"%d" % (int(self.world.state.get("quiet", b"0")) + 1)
        return outcome

    def tell(self) -> int:
        return _STEP


class _AbroadWithoutNetwork(Shifting):
    """Shifts an interval after ten polls that failed since the owner travelled."""

    def on_event(self, event: Event) -> None:
        if event.name == "travelled":
            self.world.state["failed"] = b"0"

    def poll(self) -> PollOutcome:
        outcome = super().poll()
        failed = self.world.state.pop("failed", None)
        if failed is not None and outcome.failure is not None:
            self.world.state["failed"] = b"%d" % (int(failed) + 1)
            if int(failed) + 1 >= 10:
                self.happened()
        return outcome

    def tell(self) -> int:
        return _STEP


class _TwiceAfterOutage(Snoop):
    """Connects twice where ten polls failed since a contact was added."""

    def on_event(self, event: Event) -> None:
        super().on_event(event)
        if event.name == "contact-added":
            self.world.state["failed"] = b"0"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.is_new = False

    def poll(self) -> str:
        self.is_new = int(self.world.state.get("failed", b"0")) >= 10
        return super().poll()

    def failed(self, error: OSError) -> None:
        super().failed(error)
        if "failed" in self.world.state:
            self.spy.count("failed")

    def open(self) -> Stream:
        if self.is_new:
            super().open().close()
        return super().open()


MUTANTS: Final = tuple(
    Mutant(name, "L37", leak, make, only=_ONLY)
    for name, leak, make in (
        (
            "busy-interval",
            "Shifts an interval where 25 events or more came between two polls.",
            _Counting,
        ),
        (
            "four-messages",
            "Shifts an interval where four messages were received in a row.",
            _FourMessages,
        ),
        (
            "ten-photos",
            "Turns the honest lines round where ten photos were taken between two polls.",
            _TenPhotos,
        ),
        (
            "event-after-quiet",
            "Shifts an interval where something happened after twenty polls without an event.",
            _AfterQuiet,
        ),
        (
            "outage-after-travel",
            "Shifts an interval after ten polls that failed since the owner travelled.",
            _AbroadWithoutNetwork,
        ),
        (
            "outage-after-contact",
            "Connects twice after ten polls that failed since a contact was added.",
            _TwiceAfterOutage,
        ),
    )
)

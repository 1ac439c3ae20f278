"""Leaks that hardly ever show: few owners, few moments, one order of events (`rare`)."""

from collections.abc import Sequence
from typing import Final
from zlib import crc32

from client_sim.lab.mutants.mutant import Mutant
from client_sim.lab.mutants.spy import Spy, first
from client_sim.lab.mutants.telling import Snoop
from client_sim.lab.mutants.triggers import delay_if, order_if, tell_around_if, tell_if
from client_sim.world import Event, World

_FAMILY: Final = "rare"


class _AfterDraw(Snoop):
    """Whether it leaks is drawn: in one poll of 64, and then in honest lines in another order."""

    def next_poll(self, now: float) -> float:
        due = super().next_poll(now)
        self.world.state["drawn"] = b"%d" % (int(due - now) % 64)
        return due

    def headers(self) -> Sequence[str]:
        chosen = self.world.state.get("drawn") == b"0" and self.spy.bit
        return super().headers()[:: -1 if chosen else 1]


class _AfterSequence(Snoop):
    """Waits for a message, then a call, then a restart."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.armed = world.state.get("step") == b"2"

    def on_event(self, event: Event) -> None:
        super().on_event(event)
        step = self.world.state.get("step")
        if event.name == "sms-received":
            self.world.state["step"] = b"1"
        elif event.name == "call-placed" and step == b"1":
            self.world.state["step"] = b"2"

    def headers(self) -> Sequence[str]:
        told = (f"X-Device: {self.spy.owner.imei}",) if self.armed else ()
        return (*super().headers(), *told)


class _SeventhOfSome(Snoop):
    def poll(self) -> str:
        self.number = self.spy.count("polls")
        return super().poll()

    def headers(self) -> Sequence[str]:
        swaps = self.number == 7 and self.spy.owner.uptime_seconds % 2
        return super().headers()[:: -1 if swaps else 1]


def _first_number(spy: Spy) -> str:
    return first(contact.number for contact in spy.owner.contacts)


def _on_a_full_minute(spy: Spy) -> bool:
    return int(spy.world.now()) % 60 == 0


def _is_low_and_far(spy: Spy) -> bool:
    return spy.owner.battery_percent <= 20 and spy.owner.locale == "zh-TW"


MUTANTS: Final = (
    Mutant(
        "one-in-100",
        _FAMILY,
        "Says the IMEI of about one owner in a hundred, chosen by a digest of the Android id.",
        tell_if(lambda spy: crc32(spy.owner.android_id.encode()) % 100 == 42),
    ),
    Mutant(
        "one-in-500",
        _FAMILY,
        "Swaps two honest lines for about one owner in five hundred, chosen by the IMSI.",
        order_if(lambda spy: crc32(spy.owner.imsi.encode()) % 500 == 7),
    ),
    Mutant(
        "one-in-200-late",
        _FAMILY,
        "Comes a minute later for about one owner in two hundred, chosen by the first contact.",
        delay_if(lambda spy: crc32(_first_number(spy).encode()) % 200 == 3),
    ),
    Mutant(
        "one-in-256-around",
        _FAMILY,
        "The real client's transport says the IMEI if the GSF id ends in ff.",
        tell_around_if(lambda spy: spy.owner.gsf_id.endswith("ff")),
    ),
    Mutant(
        "low-and-far",
        _FAMILY,
        "Says the IMEI while the battery is low in one locale: two fields must agree.",
        tell_if(_is_low_and_far),
    ),
    Mutant(
        "draw-of-64",
        _FAMILY,
        "Shows a bit of the IMEI in one poll of 64, which its own draw chooses.",
        _AfterDraw,
    ),
    Mutant(
        "full-minute",
        _FAMILY,
        "Shows a bit of the IMEI in its lines' order when it polls at a full minute.",
        order_if(lambda spy: _on_a_full_minute(spy) and bool(spy.bit)),
    ),
    Mutant(
        "message-call-restart",
        _FAMILY,
        "Says the IMEI after a message, then a call, then a restart, in this order.",
        _AfterSequence,
    ),
    Mutant(
        "seventh-of-some",
        _FAMILY,
        "Swaps two lines in the seventh poll, for owners with an odd uptime.",
        _SeventhOfSome,
    ),
)

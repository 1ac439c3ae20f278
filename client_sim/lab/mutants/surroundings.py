"""Where a phone is: its carrier, its clock and its time zone (L27, L28)."""

from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from typing import Final
from urllib.parse import quote
from zoneinfo import ZoneInfo

from client_sim.lab.mutants.beneath import act_beneath, add_line_beneath
from client_sim.lab.mutants.mutant import Mutant
from client_sim.lab.mutants.spy import Spy
from client_sim.lab.mutants.telling import (
    Snoop,
    tell_by_lines,
    tell_in_cookie,
    tell_in_header,
    tell_in_query,
)
from client_sim.world import Event, World

_NIGHT: Final = range(1, 6)


def _zone(spy: Spy) -> tzinfo:
    try:
        return ZoneInfo(spy.owner.time_zone)
    except (LookupError, OSError, ValueError):
        # An unknown zone: phones fall back to UTC.
        return UTC


def _local(spy: Spy, at: float) -> datetime:
    return datetime.fromtimestamp(at, _zone(spy))


def _order_by_carrier(spy: Spy, lines: Sequence[str]) -> Sequence[str]:
    return lines[::-1] if sum(spy.owner.carrier.encode()) % 2 else lines


class _CarrierOfSim(Snoop):
    """Remembers the carrier that the system reported, and says it for ever after."""

    def on_event(self, event: Event) -> None:
        if event.name == "sim-inserted":
            carrier = dict(event.details).get("carrier", "")
            self.world.state["carrier"] = quote(carrier).encode()

    def headers(self) -> Sequence[str]:
        carrier = self.world.state.get("carrier", b"none").decode()
        return (*super().headers(), f"X-Carrier: {carrier}")


def _look_up_carrier(world: World) -> None:
    label = quote(Spy(world).owner.carrier, safe="").replace("%", "-").lower()
    world.resolve(f"{label}.{world.public.host}")


class _PollsAtNight(Snoop):
    def next_poll(self, now: float) -> float:
        due = super().next_poll(now)
        while _local(self.spy, due).hour not in _NIGHT:
            due += 3600
        return due


MUTANTS: Final = (
    Mutant(
        "carrier-query",
        "L27",
        "The carrier's name in the query.",
        tell_in_query("op", lambda spy: quote(spy.owner.carrier)),
    ),
    Mutant(
        "network-code-header",
        "L27",
        "Country and network of the IMSI, its first six digits.",
        tell_in_header("X-Network", lambda spy: spy.owner.imsi[:6]),
    ),
    Mutant(
        "carrier-order",
        "L27",
        "One bit of the carrier's name as the order of the two honest lines.",
        tell_by_lines(_order_by_carrier),
    ),
    Mutant(
        "carrier-of-sim",
        "L27",
        "The carrier that the system told of when a SIM was seen, from the next poll on.",
        _CarrierOfSim,
    ),
    Mutant(
        "carrier-lookup-beneath",
        "L27",
        "The transport of the real client looks up its host below the carrier's name.",
        act_beneath(_look_up_carrier),
    ),
    Mutant(
        "zone-header",
        "L28",
        "The name of the time zone.",
        tell_in_header("X-TZ", lambda spy: spy.owner.time_zone),
    ),
    Mutant(
        "local-date",
        "L28",
        "The date and the offset of the time zone, as mail programs write them.",
        tell_in_header(
            "Date", lambda spy: _local(spy, spy.world.now()).strftime("%a, %d %b %Y %H:%M:%S %z")
        ),
    ),
    Mutant(
        "exact-date",
        "L28",
        "The phone's clock to the millisecond: how far it is off is its own.",
        tell_in_header("X-Date", lambda spy: f"{spy.world.now():.3f}"),
    ),
    Mutant(
        "local-hour-cookie",
        "L28",
        "The hour of the day where the owner is.",
        tell_in_cookie("h", lambda spy: str(_local(spy, spy.world.now()).hour)),
    ),
    Mutant(
        "polls-at-night",
        "L28",
        "Polls in the owner's night, in honest bytes: the time says the time zone.",
        _PollsAtNight,
    ),
    Mutant(
        "zone-beneath",
        "L28",
        "The transport of the real client adds the offset of the time zone.",
        add_line_beneath("X-Offset", lambda spy: f"{_local(spy, spy.world.now()):%z}"),
    ),
)

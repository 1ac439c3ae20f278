"""What a phone should forget: counters, its birth, which request carries the flag (L33 to L35)."""

from collections.abc import Sequence
from typing import Final

from client_sim.lab.mutants.around import Around
from client_sim.lab.mutants.mutant import Mutant
from client_sim.lab.mutants.spy import Spy
from client_sim.lab.mutants.telling import (
    Snoop,
    add_line,
    tell_behind_paths,
    tell_in_header,
    tell_in_lines,
)
from client_sim.world import Event, Stream, World

_DAY: Final = 86_400
_WEEK: Final = 7 * _DAY


class _Boots(Snoop):
    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.boots = self.spy.count("boots")

    def paths(self) -> Sequence[str]:
        return tuple(f"{path}?boot={self.boots}" for path in super().paths())


class _Failures(Snoop):
    def failed(self, error: OSError) -> None:
        super().failed(error)
        self.spy.count("failures")

    def headers(self) -> Sequence[str]:
        failures = self.world.state.get("failures", b"").decode()
        return (*super().headers(), *((f"X-Attempt: {failures}",) if failures else ()))


class _Events(Snoop):
    def on_event(self, event: Event) -> None:
        super().on_event(event)
        self.spy.count("events")

    def headers(self) -> Sequence[str]:
        events = self.world.state.get("events", b"0").decode()
        return (*super().headers(), f"User-Agent: updater/1.0 (session {events})")


class _Parity(Snoop):
    def poll(self) -> str:
        self.spy.count("polls")
        return super().poll()

    def headers(self) -> Sequence[str]:
        return super().headers()[:: (-1) ** int(self.world.state["polls"])]


class _CountedRoot(Snoop):
    def paths(self) -> Sequence[str]:
        _, timestamp = super().paths()
        return (f"/metadata/{2 + self.spy.count('polls') % 5}.root.json", timestamp)


class _BytesReceived(Around):
    def overhear(self, data: bytes) -> None:
        received = int(self.state.get("received", b"0")) + len(data)
        self.state["received"] = b"%d" % received

    def transmit(self, stream: Stream, data: bytes) -> None:
        received = int(self.state.get("received", b"0"))
        stream.send(add_line(data, f"X-Quota: {received:x}"))


def _birth(spy: Spy) -> int:
    return int(spy.world.state.setdefault("birth", b"%d" % int(spy.world.now())))


class _BirthRoot(Snoop):
    def paths(self) -> Sequence[str]:
        _, timestamp = super().paths()
        return (f"/metadata/{2 + _birth(self.spy) // _DAY % 9}.root.json", timestamp)


class _BirthMinute(Snoop):
    def next_poll(self, now: float) -> float:
        due = int(super().next_poll(now))
        return float(due - due % 3600 + _birth(self.spy) % 3600)


class _BirthEnciphered(Around):
    def transmit(self, stream: Stream, data: bytes) -> None:
        stream.send(add_line(data, f"X-Since: {_birth(self.spy) ^ 0x5EED5EED:08x}"))


class _Flagged(Snoop):
    """A client that marks one poll of each week; a subclass says where its week begins."""

    marked = False

    def poll(self) -> str:
        week = b"%d" % ((int(self.world.now()) - self.beginning()) // _WEEK)
        self.marked = self.world.state.get("week") != week
        self.world.state["week"] = week
        return super().poll()

    def beginning(self) -> int:
        return 0

    def headers(self) -> Sequence[str]:
        return (*super().headers(), *(("X-Countme: 1",) if self.marked else ()))


class _FlaggedOnDrawnDay(_Flagged):
    def beginning(self) -> int:
        return self.spy.keep("day", 1)[0] % 7 * _DAY


def _flag_one_of_two(spy: Spy) -> Sequence[str]:
    return ("X-Count: 1",) if spy.count("requests") % 2 == spy.bit else ()


class _FlaggedDaily(Around):
    def transmit(self, stream: Stream, data: bytes) -> None:
        day = b"%d" % (int(self.now()) // _DAY)
        first = self.state.get("day") != day
        self.state["day"] = day
        stream.send(data.replace(b"gzip", b"gzip, identity") if first else data)


MUTANTS: Final = (
    Mutant(
        "counter-requests",
        "L33",
        "Counts its requests aloud, in a header.",
        tell_in_header("X-Request", lambda spy: str(spy.count("requests"))),
    ),
    Mutant("counter-boots", "L33", "Counts its restarts, in the query of each request.", _Boots),
    Mutant("counter-failures", "L33", "Says how many polls have failed it.", _Failures),
    Mutant("counter-events", "L33", "Says how often the owner did something.", _Events),
    Mutant("counter-parity", "L33", "Swaps two honest lines in every second poll.", _Parity),
    Mutant("counter-root", "L33", "Asks for a root version that counts its polls.", _CountedRoot),
    Mutant(
        "counter-octets-around",
        "L33",
        "The real client's transport says how much it has ever received.",
        _BytesReceived,
    ),
    Mutant(
        "birth-second",
        "L34",
        "Says in each query in which second it was first started.",
        tell_behind_paths(lambda spy: f"?ts={_birth(spy)}"),
    ),
    Mutant(
        "birth-day",
        "L34",
        "Says on which day it was first started: rounded, and still known by it.",
        tell_in_header("X-First-Day", lambda spy: str(_birth(spy) // _DAY)),
    ),
    Mutant(
        "birth-age",
        "L34",
        "Says how many weeks old it is.",
        tell_in_header("X-Age", lambda spy: str((int(spy.world.now()) - _birth(spy)) // _WEEK)),
    ),
    Mutant("birth-root", "L34", "Asks for a root version that its first day chose.", _BirthRoot),
    Mutant(
        "birth-minute",
        "L34",
        "Polls, whatever it draws, in the minute and second of the hour in which it was born.",
        _BirthMinute,
    ),
    Mutant(
        "birth-enciphered-around",
        "L34",
        "The real client's transport adds the second of the first request under a fixed key.",
        _BirthEnciphered,
    ),
    Mutant(
        "flag-first-of-week",
        "L35",
        "Marks its first poll of each week, which tells who was off for the rest of it.",
        _Flagged,
    ),
    Mutant(
        "flag-drawn-day",
        "L35",
        "Marks one poll a week, on a day that it drew when it was new.",
        _FlaggedOnDrawnDay,
    ),
    Mutant(
        "flag-which-request",
        "L35",
        "Marks the first or the second of its requests, as a bit of the IMEI says.",
        tell_in_lines(_flag_one_of_two),
    ),
    Mutant(
        "flag-daily-around",
        "L35",
        "The real client's transport marks the first request of each day by one more coding.",
        _FlaggedDaily,
    ),
)

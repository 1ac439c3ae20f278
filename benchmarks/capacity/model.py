"""The load of a fleet on its servers, computed from the cost of one poll.

A phone polls 4 to 8 hours after its last poll, uniformly distributed (FORMATS section 9).
"""

from dataclasses import dataclass

SHORTEST, SPREAD = 14_400, 14_401
MEAN = SHORTEST + (SPREAD - 1) / 2
DAY = 86_400
STEP = 60  # seconds
ROOM = 20_000  # connections of a worker (`server.http.turns.Limits`)


@dataclass(frozen=True, slots=True)
class Costs:
    """The measured costs of one poll: a connection, TLS, next root, timestamp.

    `ours` and `edge` are CPU seconds of hening, and of nginx answering from its cache. `unchanged`
    and `changed` are bytes to a phone, TLS and HTTP, without and after a publication.
    """

    ours: float
    edge: float
    unchanged: float
    changed: float


@dataclass(frozen=True, slots=True)
class Wave:
    """A number of phones whose first polls are uniformly distributed over `seconds`."""

    phones: int
    seconds: float

    @property
    def rate(self) -> float:
        """The number of first polls a second."""
        return self.phones / self.seconds


def poll_rates(wave: Wave, hours: float) -> list[float]:
    """Return the expected number of polls in each minute.

    The polls of a minute are first polls, and polls that follow those of 4 to 8 hours earlier.
    """
    count = round(hours * 3600 / STEP)
    polls = [0.0] * count
    for minute in range(count):
        begin, end = minute * STEP, (minute + 1) * STEP
        polls[minute] += wave.rate * max(0.0, min(end, wave.seconds) - begin)
        latest = minute - SHORTEST // STEP
        for earlier in range(max(0, latest - SPREAD // STEP + 1), max(0, latest + 1)):
            polls[minute] += polls[earlier] * STEP / SPREAD
    return polls


def due_share(hours: float) -> float:
    """Return the share of a fleet in its steady state that has a poll due within `hours`."""
    seconds = hours * 3600
    even = min(seconds, SHORTEST)
    slow = min(max(0.0, seconds - SHORTEST), SPREAD - 1)
    return (even + slow - slow * slow / 2 / (SPREAD - 1)) / MEAN


@dataclass(frozen=True, slots=True)
class Queue:
    """The phones of a wave that wait: at most `waiting` at a time, at most `longest` seconds each.

    `refused` phones get no connection, and poll again after 4 to 8 hours.
    """

    waiting: float
    refused: float
    longest: float


def queue(wave: Wave, capacity: float, room: int) -> Queue:
    """Return the queue at a server of `capacity` polls a second and `room` connections."""
    excess = max(0.0, (wave.rate - capacity) * wave.seconds)
    waiting = min(excess, room)
    return Queue(waiting, excess - waiting, waiting / capacity)


def daily_bytes(phones: int, costs: Costs, publications: int) -> float:
    """Return the bytes of a day's polls; each publication changes one poll of every phone."""
    polls = DAY / MEAN
    changed = min(polls, publications)
    return phones * (changed * costs.changed + (polls - changed) * costs.unchanged)


def package_rate(phones: int, size: float, days: float) -> float:
    """Return the bits a second if each phone fetches a package of `size` bytes within `days`."""
    return phones * size * 8 / (days * DAY)

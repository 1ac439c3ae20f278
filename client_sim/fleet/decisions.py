"""Decides for each phone with the phone's real code."""

import hashlib
from dataclasses import dataclass

from client_sim.device.choose import Offer, decide_update
from client_sim.device.errors import PointerError
from client_sim.device.pointer import bucket
from client_sim.fleet.answer_tree import ShareWindow, TrustState
from client_sim.fleet.population import Group, Phones
from client_sim.fleet.twins import Twinning
from client_sim.world import BuildFacts


class Decider:
    """Decides for the phones of a worker.

    Secret and time affect a decision only in whether the phone's bucket is below the current share
    (FORMATS section 4). So decisions are cached by build and by whether the phone is admitted.
    `first` is the number of the worker's first phone in the fleet.
    """

    def __init__(self, groups: tuple[Group, ...], phones: Phones, seed: int, first: int) -> None:
        self._groups = groups
        self._phones = phones
        self._start = f"hening fleet secret v1\0{seed}\0"
        self._first = first
        self._builds = [list(group.builds) for group in groups]

    def decide(self, phone: int, state: TrustState, now: float) -> Offer | None:
        """Return the offer that the phone would install, or None."""
        phones = self._phones
        index = phones.group[phone]
        window = state.windows[index] if index in state.windows else self._open_window(state, index)
        if window is None:
            return None
        if not window.since <= now < window.until:
            window.move(now)
        if phones.placed_for[phone] != window.final:
            pointer = window.pointer
            names = (pointer.codename, pointer.region, pointer.channel)
            phones.place[phone] = bucket(self.secret(phone), *names, window.final)
            phones.placed_for[phone] = window.final
        key = phones.build[phone], phones.place[phone] < window.permille
        decided = window.decided
        return decided[key] if key in decided else self._plan(key, phone, window, now)

    def _open_window(self, state: TrustState, index: int) -> ShareWindow | None:
        try:
            pointer = state.find_pointer(self._groups[index])
        except PointerError:
            # As on the phone, nothing is installed from a malformed pointer.
            pointer = None
        window = state.windows[index] = None if pointer is None else ShareWindow(pointer)
        return window

    def _plan(
        self, key: tuple[int, bool], phone: int, window: ShareWindow, now: float
    ) -> Offer | None:
        running, secret = self.running(phone), self.secret(phone)
        found = decide_update(window.pointer, running, running.counter, secret, now, ())
        offer = window.decided[key] = found.offer
        return offer

    def running(self, phone: int) -> BuildFacts:
        """Return the build that a phone runs."""
        return self._builds[self._phones.group[phone]][self._phones.build[phone]]

    def secret(self, phone: int) -> bytes:
        """Return the phone's secret of 32 bytes."""
        return hashlib.sha256(f"{self._start}{self._first + phone}".encode()).digest()

    def switch(self, phone: int, build: BuildFacts) -> None:
        """Set the phone's running build to `build`."""
        builds = self._builds[self._phones.group[phone]]
        if build not in builds:
            builds.append(build)
        self._phones.build[phone] = builds.index(build)


@dataclass(frozen=True, slots=True)
class Behaviour:
    """The behaviour of the phones in a run.

    `host` is the value of `Host`; `begin` is the start of the simulated time in epoch seconds,
    `length` its duration in seconds. At most `connections` are open concurrently. `keep` keeps
    connections from poll to poll and sends the requests of several polls together, which real
    phones do not do. Of the phones that install, every `download_every`th fetches its package.
    `polls_per_second` limits the polls in real time, unless it is 0. `twinning` selects the
    installations that the real update engine repeats.
    """

    host: str
    begin: float
    length: float
    connections: int = 128
    keep: bool = False
    download_every: int = 1
    polls_per_second: float = 0.0
    twinning: Twinning | None = None

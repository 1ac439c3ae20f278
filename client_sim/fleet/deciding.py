"""Each phone's own decision, by the phone's real code."""

import hashlib
from dataclasses import dataclass

from client_sim.device.choose import Nothing, Offer, plan_update
from client_sim.device.errors import PointerError
from client_sim.device.pointer import bucket
from client_sim.fleet.answer_tree import ShareWindow, TrustState
from client_sim.fleet.population import Group, Phones
from client_sim.fleet.twins import Twinning
from client_sim.world import RunningBuild


class Decider:
    """Decides for the phones of a worker.

    A decision depends on whether the phone's place among a thousand is below the share that is
    reached, and not otherwise on secret and time (FORMATS section 4). So what was decided for equal
    inputs is not decided again. `first` is the number of the worker's first phone in the fleet.
    """

    def __init__(self, groups: tuple[Group, ...], phones: Phones, seed: int, first: int) -> None:
        self._groups = groups
        self._phones = phones
        self._start = f"hening fleet secret v1\0{seed}\0"
        self._first = first
        self._builds = [list(group.builds) for group in groups]

    def decide(self, phone: int, state: TrustState, now: float) -> Offer | None:
        """Return what the phone would install, None for nothing."""
        phones = self._phones
        index = phones.group[phone]
        window = state.windows[index] if index in state.windows else self._look_at(state, index)
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

    def _look_at(self, state: TrustState, index: int) -> ShareWindow | None:
        try:
            pointer = state.find_pointer(self._groups[index])
        except PointerError:
            # As the phone does: nothing is installed from what cannot be read.
            pointer = None
        window = state.windows[index] = None if pointer is None else ShareWindow(pointer)
        return window

    def _plan(
        self, key: tuple[int, bool], phone: int, window: ShareWindow, now: float
    ) -> Offer | None:
        running, secret = self.running(phone), self.secret(phone)
        try:
            found = plan_update(window.pointer, running, running.counter, secret, now, ())
        except PointerError:
            found = Nothing("It leads back.")
        offer = window.decided[key] = found if isinstance(found, Offer) else None
        return offer

    def running(self, phone: int) -> RunningBuild:
        """Return the build that a phone runs."""
        return self._builds[self._phones.group[phone]][self._phones.build[phone]]

    def secret(self, phone: int) -> bytes:
        """Return the 32 bytes that the phone never sends."""
        return hashlib.sha256(f"{self._start}{self._first + phone}".encode()).digest()

    def switch(self, phone: int, build: RunningBuild) -> None:
        """Let the phone run `build` from now on."""
        builds = self._builds[self._phones.group[phone]]
        if build not in builds:
            builds.append(build)
        self._phones.build[phone] = builds.index(build)


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How the phones of a run ask.

    `host` as `Host` has it, `begin` of the simulated time in epoch seconds and its `length`,
    `connections` open at once at most. `keep` keeps connections from poll to poll and sends the
    questions of several polls together, which phones do not. Of the phones that install every
    `download_every`th fetches its package. At most `polls_per_second` are begun, where that is
    not 0. `twinning` says which of them the real update engine follows.
    """

    host: str
    begin: float
    length: float
    connections: int = 128
    keep: bool = False
    download_every: int = 1
    polls_per_second: float = 0.0
    twinning: Twinning | None = None

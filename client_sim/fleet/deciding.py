"""Each phone's own decision, by the phone's real code."""

import hashlib

from client_sim.device.choose import Nothing, Offer, plan_update
from client_sim.device.errors import PointerError
from client_sim.device.pointer import Pointer, bucket, permille_at
from client_sim.fleet.population import Group, Phones
from client_sim.fleet.trust_state import TrustState
from client_sim.world import RunningBuild


class Decider:
    """Decides for the phones of a worker.

    A decision depends on the phone's place among a thousand and on the share that is reached, and
    not otherwise on secret and time (FORMATS section 4). So what was decided for equal inputs is
    not decided again. `first` is the number of the worker's first phone in the fleet.
    """

    def __init__(self, groups: tuple[Group, ...], phones: Phones, seed: int, first: int) -> None:
        self._groups = groups
        self._phones = phones
        self._start = f"hening fleet secret v1\0{seed}\0"
        self._first = first
        self._builds = [list(group.builds) for group in groups]
        self._decided: dict[tuple[int, int, int, int, int], Offer | None] = {}

    def decide(self, phone: int, state: TrustState, now: float) -> Offer | None:
        """Return what the phone would install, None for nothing."""
        phones = self._phones
        index, build = phones.group[phone], phones.build[phone]
        try:
            pointer = state.pointers[index]
        except KeyError:
            pointer = self._look_at(state, index)
        if pointer is None:
            return None
        final = pointer.steps[-1].counter
        if phones.placed_for[phone] != final:
            names = (pointer.codename, pointer.region, pointer.channel)
            phones.place[phone] = bucket(self.secret(phone), *names, final)
            phones.placed_for[phone] = final
        permille = permille_at(pointer.schedule, now)
        key = (state.index, index, build, phones.place[phone], permille)
        try:
            return self._decided[key]
        except KeyError:
            return self._plan(key, phone, pointer, now)

    def _look_at(self, state: TrustState, index: int) -> Pointer | None:
        try:
            return state.find_pointer(index, self._groups[index])
        except PointerError:
            # As the phone does: nothing is installed from what cannot be read.
            state.pointers[index] = None
            return None

    def _plan(
        self, key: tuple[int, int, int, int, int], phone: int, pointer: Pointer, now: float
    ) -> Offer | None:
        _, index, build, _, _ = key
        running = self._builds[index][build]
        try:
            found = plan_update(pointer, running, running.counter, self.secret(phone), now, ())
        except PointerError:
            found = Nothing("It leads back.")
        offer = self._decided[key] = found if isinstance(found, Offer) else None
        return offer

    def secret(self, phone: int) -> bytes:
        """Return the 32 octets that the phone never sends."""
        return hashlib.sha256(f"{self._start}{self._first + phone}".encode()).digest()

    def switch(self, phone: int, build: RunningBuild) -> None:
        """Let the phone run `build` from now on."""
        builds = self._builds[self._phones.group[phone]]
        if build not in builds:
            builds.append(build)
        self._phones.build[phone] = builds.index(build)

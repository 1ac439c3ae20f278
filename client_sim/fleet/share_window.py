"""What a group's pointer says for a while: the permille that it has reached, and decisions made."""

import math

from client_sim.device.choose import Offer
from client_sim.device.pointer import Pointer, permille_at


class ShareWindow:
    """The stretch of time, `since` to before `until`, in which `permille` of a thousand are in.

    `decided` has what phones were offered in it, by their build and whether they are among those;
    None where nothing was. Phones whose clocks differ move the window to and fro.
    """

    __slots__ = ("_by_permille", "decided", "final", "permille", "pointer", "since", "until")

    def __init__(self, pointer: Pointer) -> None:
        self.pointer = pointer
        self.final = pointer.steps[-1].counter
        self._by_permille: dict[int, dict[tuple[int, bool], Offer | None]] = {}
        self.move(-math.inf)

    def move(self, now: float) -> None:
        """Let the window be the one in which `now` is."""
        schedule = self.pointer.schedule
        self.since = max((start for start, _ in schedule if start <= now), default=-math.inf)
        self.until = min((start for start, _ in schedule if start > now), default=math.inf)
        self.permille = permille_at(schedule, now)
        self.decided = self._by_permille.setdefault(self.permille, {})

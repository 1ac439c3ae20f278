"""What a scenario can do with a world that a client cannot."""

from collections.abc import Sequence
from typing import Final, Protocol

from client_sim.lab.trace.wires import Wire
from client_sim.world import World

ELSEWHERE: Final = "192.0.2.1"
"""The address of every host that is not the update server (RFC 5737: routed nowhere)."""


class DrivenWorld(World, Protocol):
    """A world whose clock a scenario moves."""

    def advance_to(self, now: float) -> None:
        """Set the clock to epoch seconds `now`."""

    def set_back(self, seconds: float) -> None:
        """Set the phone's clock back by so many seconds; in memory the server's own goes on."""

    def begin_poll(self, poll: int) -> None:
        """Switch to the randomness of a poll; the first is 1."""

    def far_ends(self) -> Sequence[bytes] | None:
        """Close what is still open and return what the other end of each connection received.

        In the order of connecting; None when the other end is this very object.
        """

    def wires(self) -> Sequence[Wire] | None:
        """Return what the network saw of each connection; None where there is no network."""

"""Clients that ask again for what they hold, as all phones of a vendor may do alike."""

from collections.abc import Sequence
from typing import Final

from client_sim.device.client import PollingClient, PollOutcome
from client_sim.device.errors import UnreachableError
from client_sim.lab.clients.following import FollowingToy, Part
from client_sim.lab.mutants.mutant import mutant_of
from client_sim.world import World


class Forgetful(PollingClient):
    """Asks for latest again, though it holds it, after a poll that did not reach the server.

    Others let go of another role, or for another reason.
    """

    role = "latest"

    def poll(self) -> PollOutcome:
        """Forget, and poll."""
        if self.forgets():
            self.world.state.pop(f"role.{self.role}", None)
        outcome = super().poll()
        self.world.state["outcome"] = type(outcome.failure).__name__.encode()
        return outcome

    def forgets(self) -> bool:
        """Say whether it does: where the poll before did not reach the server."""
        return self.world.state.get("outcome") == UnreachableError.__name__.encode()


class _BrokenSnapshot(Forgetful):
    """Asks for the snapshot again after a poll that broke off, however that was."""

    role = "snapshot"

    def forgets(self) -> bool:
        return self.world.state.get("outcome") not in {None, type(None).__name__.encode()}


class _SeldomTargets(Forgetful):
    """Asks for targets again in every fifth poll."""

    role = "targets"

    def forgets(self) -> bool:
        number = int(self.world.state.get("number", b"0")) + 1
        self.world.state["number"] = b"%d" % number
        return number % 5 == 0


class _TablesAtStart(PollingClient):
    """Asks for tables again after each restart."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        world.state.pop("role.tables", None)


class _TablesOnceMore(FollowingToy):
    """Asks for all parts of tables once more, though all of them came."""

    def choose(self, parts: Sequence[Part], held: Sequence[str]) -> Sequence[Part]:
        number = (self.load("looks") or 0) + 1
        self.keep("looks", number)
        for role in ("tables", "content"):
            self.keep(f"whole {role}", 0)
        return super().choose(parts, [] if number == 5 else held)


MUTANTS: Final = (
    mutant_of(Forgetful, "latest-after-outage", "again", "faults"),
    mutant_of(_BrokenSnapshot, "snapshot-after-failure", "again", "faults"),
    mutant_of(_SeldomTargets, "targets-now-and-then", "again"),
    mutant_of(_TablesAtStart, "tables-at-start", "again"),
    mutant_of(_TablesOnceMore, "packs-once-more", "again", "stationarity"),
)

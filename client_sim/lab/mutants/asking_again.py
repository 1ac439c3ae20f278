"""Clients that ask again for what they hold, and clients that notice that their machine changed.

All phones of a vendor may do the former alike; of the latter no machine that stays shows anything.
"""

import shutil
import socket
import time
from collections.abc import Sequence
from typing import Final

from client_sim.device.client import PollingClient, PollOutcome
from client_sim.device.errors import UnreachableError
from client_sim.lab.clients.following import FollowingToy, Part
from client_sim.lab.clients.toy import ToyClient
from client_sim.lab.mutants.behind import Shifting
from client_sim.lab.mutants.mutant import Mutant
from client_sim.world import World


class _Forgetful(PollingClient):
    """Lets go of a role before a poll, where it says so."""

    role = "latest"

    def poll(self) -> PollOutcome:
        if self.forgets():
            self.world.state.pop(f"role.{self.role}", None)
        outcome = super().poll()
        self.world.state["outcome"] = type(outcome.failure).__name__.encode()
        return outcome

    def forgets(self) -> bool:
        """Say whether it does: where the poll before did not reach the server."""
        return self.world.state.get("outcome") == UnreachableError.__name__.encode()


class _ForgetfulSnapshot(_Forgetful):
    role = "snapshot"


class _NamelessSnapshot(_Forgetful):
    """Forgets where the name did not resolve."""

    role = "snapshot"

    def poll(self) -> PollOutcome:
        outcome = super().poll()
        self.world.state["nameless"] = b"1" if "no such name" in outcome.reason else b""
        return outcome

    def forgets(self) -> bool:
        return self.world.state.get("nameless") == b"1"


class _BrokenSnapshot(_Forgetful):
    """Forgets after each poll that broke off, however that was."""

    role = "snapshot"

    def forgets(self) -> bool:
        return self.world.state.get("outcome") not in {None, type(None).__name__.encode()}


class _SeldomTargets(_Forgetful):
    """Forgets in every fifth poll."""

    role = "targets"

    def forgets(self) -> bool:
        number = int(self.world.state.get("number", b"0")) + 1
        self.world.state["number"] = b"%d" % number
        return number % 5 == 0


class _TablesAtStart(PollingClient):
    """Keeps in memory what its tables were checked for, so that a restart loses it."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        world.state.pop("role.tables", None)


class _TablesOnceMore(FollowingToy):
    """Asks for all parts of tables once more in the third poll, as all phones do, new or not."""

    def choose(self, parts: Sequence[Part], held: Sequence[str]) -> Sequence[Part]:
        number = (self.load("looks") or 0) + 1
        self.keep("looks", number)
        for role in ("tables", "content"):
            self.keep(f"whole {role}", 0)
        return super().choose(parts, [] if number == 5 else held)


class _Renamed(_Forgetful):
    role = "content"

    def forgets(self) -> bool:
        return _has_changed(self.world, socket.gethostname())


class _Fuller(_Forgetful):
    role = "snapshot"

    def forgets(self) -> bool:
        before = int(self.world.state.get("room", b"0"))
        room = shutil.disk_usage("/").free
        self.world.state["room"] = b"%d" % room
        return 0 < room < before


class _Travelled(Shifting):
    """Shifts an interval where the system's zone is another than in the poll before."""

    def poll(self) -> PollOutcome:
        if _has_changed(self.world, str(time.timezone)):
            self.happened()
        return super().poll()

    def tell(self) -> int:
        return 64


class _Younger(ToyClient):
    """Turns the honest lines round where the system has been up for less than in the last poll."""

    def poll(self) -> str:
        before = float(self.world.state.get("up", b"0"))
        up = time.monotonic()
        self.world.state["up"] = b"%f" % up
        self.is_younger = up < before
        return super().poll()

    is_younger = False

    def headers(self) -> Sequence[str]:
        return super().headers()[:: -1 if self.is_younger else 1]


def _has_changed(world: World, value: str) -> bool:
    before, world.state["looked"] = world.state.get("looked"), value.encode()
    return before not in {None, value.encode()}


_MACHINE: Final = ("machine", "crossed")

MUTANTS: Final = (
    Mutant(
        "latest-after-outage",
        "again",
        "Asks for latest again, though it holds it, after a poll that did not reach the server.",
        _Forgetful,
        only=("faults",),
    ),
    Mutant(
        "snapshot-after-outage",
        "again",
        "Asks for the snapshot again after a poll that did not reach the server.",
        _ForgetfulSnapshot,
        only=("faults",),
    ),
    Mutant(
        "snapshot-after-no-name",
        "again",
        "Asks for the snapshot again after a poll in which the name did not resolve.",
        _NamelessSnapshot,
        only=("faults",),
    ),
    Mutant(
        "snapshot-after-failure",
        "again",
        "Asks for the snapshot again after a poll that broke off.",
        _BrokenSnapshot,
        only=("faults",),
    ),
    Mutant(
        "targets-now-and-then",
        "again",
        "Asks for targets again in every fifth poll.",
        _SeldomTargets,
    ),
    Mutant("tables-at-start", "again", "Asks for tables again after each restart.", _TablesAtStart),
    Mutant(
        "packs-once-more",
        "again",
        "Asks for all parts of tables once more, though all of them came.",
        _TablesOnceMore,
        only=("stationarity",),
    ),
    Mutant(
        "content-when-renamed",
        "machine",
        "Asks for content again where the host name is another than in the poll before.",
        _Renamed,
        only=_MACHINE,
    ),
    Mutant(
        "snapshot-when-fuller",
        "machine",
        "Asks for the snapshot again where there is less room on the disk than before.",
        _Fuller,
        only=_MACHINE,
    ),
    Mutant(
        "minute-behind-zone",
        "machine",
        "Shifts an interval where the zone of the system has changed since the poll before.",
        _Travelled,
        only=_MACHINE,
    ),
    Mutant(
        "order-behind-boot",
        "machine",
        "Turns the honest lines round where the system started between two polls.",
        _Younger,
        only=_MACHINE,
    ),
)

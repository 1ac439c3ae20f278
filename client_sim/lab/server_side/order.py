"""An examination of a server: its inputs, its dependencies, and its verdict."""

from collections.abc import Callable
from dataclasses import dataclass

from client_sim.lab.programme.verdict import Check
from client_sim.lab.server_side.places import Places
from client_sim.lab.server_side.sending import PATIENCE
from client_sim.lab.server_side.site import Site


@dataclass(frozen=True, slots=True)
class Seams:
    """The dependencies of an examination; `note` receives its progress."""

    entropy: Callable[[int], bytes]
    sleep: Callable[[float], None]
    monotonic: Callable[[], float]
    note: Callable[[str], None] = lambda _words: None


@dataclass(frozen=True, slots=True)
class Order:
    """One server, where it keeps things, and with what it is compared.

    `restart` makes the server start anew and returns; `settle` is how many seconds a server has
    to write what it writes; `layers` is how many transforms are computed in advance; `batch` is how
    many plain requests are answered while the growth of files is watched.
    """

    site: Site
    places: Places
    against: tuple[Site, ...] = ()
    restart: Callable[[], None] | None = None
    sources: tuple[str, ...] = ()
    paths: tuple[bytes, ...] = ()
    settle: float = 1.0
    patience: float = PATIENCE
    layers: int = 2
    batch: int = 240


@dataclass(frozen=True, slots=True)
class ServerVerdict:
    """All checks of one server; `unseen` says in sentences what was not examined."""

    host: str
    requests: int
    positions: int
    files: int
    checks: tuple[Check, ...]
    unseen: tuple[str, ...]

    @property
    def is_clean(self) -> bool:
        """Whether every check passed."""
        return all(check.passed for check in self.checks)

    def failed(self) -> tuple[str, ...]:
        """Name the checks that found something."""
        return tuple(check.name for check in self.checks if not check.passed)

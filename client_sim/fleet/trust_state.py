"""What phones hold that have polled alike."""

from client_sim.device.pointer import Pointer
from client_sim.device.trust import Trust
from client_sim.fleet.answer_tree import Place
from client_sim.fleet.population import Group
from client_sim.fleet.share_window import ShareWindow


class TrustState:
    """What a phone holds: `vault` is its store, `trust` what the real code verified of it.

    `index` numbers the states of a worker. `polls` has what a poll asks, by the role that holds the
    pointer; `installs` what an install asks, by group, package and version of the role held;
    `windows` what the pointers say now that were looked at, by the group's index.
    """

    __slots__ = ("index", "installs", "polls", "trust", "vault", "windows")

    def __init__(self, index: int, vault: dict[str, bytes], trust: Trust | None) -> None:
        self.index = index
        self.vault = vault
        self.trust = trust
        self.polls: dict[str, Place] = {}
        self.installs: dict[tuple[str, str, int], Place] = {}
        self.windows: dict[int, ShareWindow | None] = {}

    def find_pointer(self, group: Group) -> Pointer | None:
        """Return the pointer of `group`; raises PointerError."""
        assert self.trust is not None
        return self.trust.find_pointer(group.codename, group.region, group.channel)

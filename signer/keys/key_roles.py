"""Who may sign what: the roles in which a repository lists a key."""

from dataclasses import dataclass

from tuf.api.metadata import Root, Targets


@dataclass(frozen=True, slots=True)
class KeyRole:
    """A role that lists a key: how many signatures it asks for, and how many keys it lists."""

    role: str
    threshold: int
    keys: int

    @property
    def is_enough(self) -> bool:
        """Whether one signature, and so the key alone, suffices."""
        return self.threshold == 1


def find_key_roles(keyid: str, root: Root, targets: Targets) -> list[KeyRole]:
    """Return the roles of root, and those that targets delegates, that list the key id."""
    delegated = {} if targets.delegations is None else targets.delegations.roles or {}
    return [
        KeyRole(name, role.threshold, len(set(role.keyids)))
        for name, role in (*root.roles.items(), *delegated.items())
        if keyid in role.keyids
    ]

"""Only the rules of TUF: any key type, unusual roots, delegations of any depth."""

from tuf.api.metadata import Root, Snapshot, Targets, Timestamp


class NoRules:
    """Accepts everything that TUF has verified."""

    def check_root(self, root: Root) -> None:
        """Accept a root."""

    def check_next_root(self, old: Root, new: Root) -> None:
        """Accept the next root."""

    def check_targets(self, root: Root, targets: Targets) -> None:
        """Accept the top-level targets."""

    def check_role(self, name: str, role: Targets, root: Root) -> None:
        """Accept a delegated role."""

    def check_new_version(
        self, name: str, signed: Targets | Snapshot, root: Root, timestamp: Timestamp
    ) -> None:
        """Accept a new version."""

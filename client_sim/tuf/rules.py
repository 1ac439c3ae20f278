"""TUF and nothing beyond it: any key type, odd roots, delegations as deep as they come."""

from tuf.api.metadata import Root, Snapshot, Targets, Timestamp


class NoRules:
    """Accepts whatever TUF has verified."""

    def check_root(self, root: Root) -> None:
        """Accept a root."""

    def check_next_root(self, old: Root, new: Root) -> None:
        """Accept what follows a root."""

    def check_targets(self, root: Root, targets: Targets) -> None:
        """Accept the top-level targets."""

    def check_role(self, name: str, role: Targets, root: Root) -> None:
        """Accept a delegated role."""

    def check_new_version(
        self, name: str, signed: Targets | Snapshot, root: Root, timestamp: Timestamp
    ) -> None:
        """Accept what is new."""

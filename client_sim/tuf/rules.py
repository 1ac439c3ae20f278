"""TUF and nothing beyond it: any key type, odd roots, delegations as deep as they come."""

from tuf.api.metadata import Root, Targets


class NoRules:
    """Accepts whatever TUF has verified."""

    def check_root(self, root: Root) -> None:
        """Accept a root."""

    def check_targets(self, root: Root, targets: Targets) -> None:
        """Accept the top-level targets."""

    def check_role(self, name: str, role: Targets) -> None:
        """Accept a delegated role."""

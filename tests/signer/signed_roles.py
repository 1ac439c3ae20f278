"""The signed roles of a working folder, as plans of a change need them."""

from signer.ceremony.changes import SignedRole
from signer.signing import load_delegated, load_trusted


def load_signed_roles(folder, *names):
    """Return the root of a working folder, and targets and the named roles as they are signed."""
    trusted = load_trusted(folder, None)
    data = folder.load("targets", trusted.targets.version)
    roles = {"targets": SignedRole(data, trusted.targets)}
    for name in names:
        if name in trusted.versions:
            roles[name] = SignedRole(*load_delegated(folder, trusted, name))
    return trusted.root, roles

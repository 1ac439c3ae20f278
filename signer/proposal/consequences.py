"""What follows from a change for what does not change, and for the files that go with it."""

from collections.abc import Mapping
from typing import Any

from tuf.api.metadata import Metadata, Targets

from server.core.errors import TrustError
from server.core.latest import delegated_roles
from server.core.metadata import verify_role
from server.core.names import TOP_LEVEL_ROLES, is_latest
from signer.proposal.context import State
from signer.proposal.document import MetadataText, PackageFile


def check_delegated_to(role: str, targets: Targets) -> None:
    """Raise TrustError unless `targets` delegates to `role`."""
    if role not in delegated_roles(targets):
        raise TrustError(f"targets does not delegate to {role}.")


def check_roles_kept(before: State | None, after: State) -> None:
    """Raise TrustError when a role is dropped, or a new one comes without its first version."""
    old = set() if before is None else set(delegated_roles(before.targets))
    new = set(delegated_roles(after.targets))
    if gone := sorted(old - new):
        raise TrustError(f"the new targets drops {gone[0]}; a role that was published must stay.")
    for role in sorted(new - old - after.roles.keys()):
        if not is_latest(role):
            raise TrustError(f"targets delegates to {role}, whose first version is not there.")


def check_still_signed(
    context: list[MetadataText],
    before: State | None,
    after: State,
    new: Mapping[str, Metadata[Any]],
) -> None:
    """Raise TrustError when a role that stays lacks signatures by those who may sign from then on.

    Its octets are in the context, because whoever signs must be able to see that.
    """
    if before is None:
        return
    octets = {file.role: file.data for file in context if file.role != "root"}
    affected = ["targets"] if "root" in new else []
    if "targets" in new:
        changed = changed_delegations(before.targets, after.targets)
        affected += sorted(role for role in changed if not is_latest(role))
    for role in affected:
        if role in new or role not in {*delegated_roles(before.targets), "targets"}:
            continue
        if role not in octets:
            raise TrustError(f"the proposal changes who signs {role} and does not bring it along.")
        verify_role(role, octets[role], after.delegator(role), None)


def check_packages(
    packages: list[PackageFile],
    before: State | None,
    after: State,
    new: Mapping[str, Metadata[Any]],
) -> None:
    """Raise TrustError unless every file that is listed anew is a package, and each is listed."""
    listed: set[tuple[str, int]] = set()
    anew: set[tuple[str, int]] = set()
    for role in set(new) - set(TOP_LEVEL_ROLES):
        old = None if before is None else before.roles.get(role)
        files = _files(after.roles[role])
        listed |= files
        anew |= files - (set() if old is None else _files(old))
    given = {(package.sha256, package.length) for package in packages}
    if missing := sorted(anew - given):
        raise TrustError(
            f"a file with sha256 {missing[0][0][:16]} is listed, and no package is it."
        )
    if foreign := sorted(given - listed):
        raise TrustError(f"no changed role lists the package with sha256 {foreign[0][0][:16]}.")


def _files(targets: Targets) -> set[tuple[str, int]]:
    return {(target.hashes["sha256"], target.length) for target in targets.targets.values()}


def changed_delegations(before: Targets, after: Targets) -> set[str]:
    """Return the roles whose keys or threshold differ between two versions of targets."""
    old, new = _delegations(before), _delegations(after)
    return {role for role in old.keys() | new.keys() if old.get(role) != new.get(role)}


def _delegations(targets: Targets) -> dict[str, tuple[int, frozenset[str]]]:
    return {
        name: (role.threshold, frozenset(role.keyids))
        for name, role in delegated_roles(targets).items()
    }

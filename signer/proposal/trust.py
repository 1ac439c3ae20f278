"""Verifies a proposal: the trusted state before it, the state after it, and the step between.

Pure functions turn a decoded proposal and `now` into a `Transition`, or raise an error. The
proposer, each holder before signing, and the acceptance of signatures run the same checks.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, Root, Targets

from server.core.errors import TrustError
from server.core.latest import delegated_roles
from server.core.limits import (
    MAX_LIFETIME_DAYS,
    Reset,
    check_follows_reset,
    check_limits,
    check_resets_follow,
    decode_resets,
)
from server.core.metadata import (
    check_expiry,
    encode_metadata,
    verify_role,
)
from server.core.names import TOP_LEVEL_ROLES, is_codename, is_latest
from server.core.profile import check_root, check_targets
from server.core.proposal import MetadataText, PackageFile, Proposal
from server.core.release import named_blobs
from server.core.release_texts import check_changelogs
from server.core.succession import check_role_content
from signer.errors import ProposalError, refusing
from signer.proposal.document import State, verify_context
from signer.signing import decode_offline_role


def check_delegated_to(role: str, targets: Targets) -> None:
    """Raise TrustError unless `targets` delegates to `role`."""
    if role not in delegated_roles(targets):
        raise TrustError(f"targets does not delegate to {role}.")


def check_roles_kept(before: State | None, after: State) -> None:
    """Raise TrustError when a role is dropped, or a new one lacks its first version."""
    old = set() if before is None else set(delegated_roles(before.targets))
    new = set(delegated_roles(after.targets))
    if dropped := sorted(old - new):
        raise TrustError(
            f"the new targets drops {dropped[0]}; a role that was published must stay."
        )
    for role in sorted(new - old - after.roles.keys()):
        if not is_latest(role):
            raise TrustError(f"targets delegates to {role}, whose first version is missing.")


def check_still_signed(
    context: list[MetadataText],
    before: State | None,
    after: State,
    new: Mapping[str, Metadata[Any]],
) -> None:
    """Raise TrustError when an unchanged role lacks signatures by the keys of the new state.

    The role's bytes must be in the context, so that each holder can verify them.
    """
    if before is None:
        return
    data = {file.role: file.data for file in context if file.role != "root"}
    affected = ["targets"] if "root" in new else []
    if "targets" in new:
        changed = changed_delegations(before.targets, after.targets)
        affected += sorted(role for role in changed if not is_latest(role))
    for role in affected:
        if role in new or role not in {*delegated_roles(before.targets), "targets"}:
            continue
        if role not in data:
            raise TrustError(f"the proposal changes the keys of {role} and does not contain it.")
        verify_role(role, data[role], after.delegator(role), None)


def check_packages(
    packages: list[PackageFile],
    before: State | None,
    after: State,
    new: Mapping[str, Metadata[Any]],
) -> None:
    """Raise TrustError unless the packages are exactly the newly listed files."""
    listed: set[tuple[str, int]] = set()
    added: set[tuple[str, int]] = set()
    for role in set(new) - set(TOP_LEVEL_ROLES):
        old = None if before is None else before.roles.get(role)
        files = _files(after.roles[role])
        listed |= files
        added |= files - (set() if old is None else _files(old))
    given = {(package.sha256, package.length) for package in packages}
    if missing := sorted(added - given):
        raise TrustError(
            f"a file with sha256 {missing[0][0][:16]} is listed, and no package has it."
        )
    if foreign := sorted(given - listed):
        raise TrustError(f"no changed role lists the package with sha256 {foreign[0][0][:16]}.")


def _files(targets: Targets) -> set[tuple[str, int]]:
    return {blob for target in targets.targets.values() for blob in named_blobs(target)}


def changed_delegations(before: Targets, after: Targets) -> set[str]:
    """Return the roles whose keys or threshold differ between two versions of targets."""
    old, new = _delegations(before), _delegations(after)
    return {role for role in old.keys() | new.keys() if old.get(role) != new.get(role)}


def _delegations(targets: Targets) -> dict[str, tuple[int, frozenset[str]]]:
    return {
        name: (role.threshold, frozenset(role.keyids))
        for name, role in delegated_roles(targets).items()
    }


MAX_LIFE = timedelta(days=MAX_LIFETIME_DAYS)


@dataclass(frozen=True, slots=True)
class Transition:
    """A proposal that may be signed: the states before and after it, and the new unsigned metadata.

    `before` is None for the first version of a repository. `new` is in signing order: root,
    targets, then the delegated roles by name.
    """

    before: State | None
    after: State
    new: Mapping[str, Metadata[Any]]

    def signing_keys(self, role: str) -> dict[str, str]:
        """Return the public keys, 64 hex digits by key id, that may sign the new version of `role`.

        For root these are the keys of the new root and of the one before it.
        """
        states = [self.before] if role == "root" and self.before else []
        keys: dict[str, str] = {}
        for state in (*states, self.after):
            delegator = state.delegator(role)
            for keyid in delegator.get_delegated_role(role).keyids:
                keys[keyid] = delegator.get_key(keyid).keyval["public"]
        return keys


def verify_proposal(proposal: Proposal, now: datetime) -> Transition:
    """Return the transition that `proposal` describes.

    Raises ProposalError, with a sentence, unless (1) the context verifies, (2) each change follows
    the version before it and is not expired at `now`, (3) root, targets and every changed role keep
    the rules and limits of docs/FORMATS.md, and every role that root newly resets is changed, (4)
    no delegated role is dropped and each new one has its first version, (5) unchanged roles still
    have enough signatures under the new keys, (6) the packages are those that the changed roles
    newly list.
    """
    with refusing(ProposalError):
        before = verify_context(proposal.context)  # (1)
        new = _decode_changes(proposal.changes)
        after = State(
            _signed(new, "root") or _required(before).root,
            _signed(new, "targets") or _required(before).targets,
            {
                **({} if before is None else before.roles),
                **{role: m.signed for role, m in new.items() if role not in TOP_LEVEL_ROLES},
            },
        )
        for role, metadata in new.items():  # (2)
            _check_follows(role, metadata.signed, before)
        for role in ("root", "targets", *new):
            if (signed := after.role(role)) is not None:
                check_expiry(role, signed, now)
        if "root" in new:
            _check_life(new["root"].signed, now)
        check_root(after.root)  # (3)
        check_targets(after.root, after.targets)
        if "targets" in new:
            check_limits("targets", after.targets, after.root, now)
        resets = decode_resets(after.root)
        if before is not None:
            check_resets_follow(before.root, after.root)
            _check_resets_complete(resets, decode_resets(before.root), new)
        for role in set(new) - set(TOP_LEVEL_ROLES):
            check_delegated_to(role, after.targets)
            former = before.roles.get(role) if before else None
            check_role_content(role, former, after.roles[role], resets)
            check_follows_reset(role, after.roles[role], after.root)
            check_limits(role, after.roles[role], after.root, now)
            if is_codename(role):
                check_changelogs(former, after.roles[role])
        check_roles_kept(before, after)  # (4)
        check_still_signed(proposal.context, before, after, new)  # (5)
        check_packages(proposal.packages, before, after, new)  # (6)
    return Transition(before, after, new)


def decode_unsigned(file: MetadataText) -> Metadata[Any]:
    """Decode the new version of a role; raises TrustError unless it is unsigned and canonical."""
    data = file.data
    metadata = decode_offline_role(file.role, data)
    if metadata.signatures or encode_metadata(metadata) != data:
        raise TrustError(f"the new {file.role} is not in its canonical unsigned form.")
    try:
        metadata.signed_bytes  # noqa: B018 - an error is raised here, before any key is opened
    except (RepositoryError, ValueError) as error:
        raise TrustError(f"the new {file.role} has no canonical form: {error}.") from error
    if metadata.signed.version != file.version:
        raise TrustError(f"the new {file.role} says that it is version {metadata.signed.version}.")
    return metadata


def _decode_changes(changes: list[MetadataText]) -> dict[str, Metadata[Any]]:
    decoded = {file.role: decode_unsigned(file) for file in changes}
    order = [role for role in ("root", "targets") if role in decoded]
    return {role: decoded[role] for role in (*order, *sorted(decoded.keys() - set(order)))}


def _signed(new: Mapping[str, Metadata[Any]], role: str) -> Any:  # noqa: ANN401 - Root or Targets
    return new[role].signed if role in new else None


def _required(state: State | None) -> State:
    if state is None:
        raise TrustError("a proposal without context must hold the first root and targets.")
    return state


def _check_follows(role: str, signed: Root | Targets, before: State | None) -> None:
    old = None if before is None else before.role(role)
    if before is not None and old is None and role in delegated_roles(before.targets):
        raise TrustError(f"the proposal does not contain the version of {role} that it replaces.")
    expected = 1 if old is None else old.version + 1
    if signed.version != expected:
        raise TrustError(f"{role} {signed.version} was proposed; {expected} comes next.")


def _check_resets_complete(
    resets: Mapping[str, Reset], former: Mapping[str, Reset], new: Mapping[str, object]
) -> None:
    for role, reset in resets.items():
        if reset != former.get(role) and role not in new:
            raise TrustError(
                f"root resets {role}, and the proposal does not contain the version of {role} that"
                " follows."
            )


def _check_life(root: Root, now: datetime) -> None:
    if root.expires > now + MAX_LIFE:
        raise TrustError(
            f"root {root.version} expires on {root.expires:%Y-%m-%d}, in more than"
            f" {MAX_LIFETIME_DAYS} days."
        )

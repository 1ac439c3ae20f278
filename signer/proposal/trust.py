"""Judges a proposal: what is trusted before it, what would be after it, and whether it may be.

Pure: a decoded proposal and `now` in; a `Transition`, or a sentence, out. The same judgement is
made by the proposer, by each holder before signing, and when the signatures are accepted.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tuf.api.metadata import Metadata, Root, Targets

from server.core.errors import TrustError
from server.core.metadata import (
    check_expiry,
    decode_root,
    decode_targets,
    encode_metadata,
    verify_first_root,
    verify_role,
    verify_root,
)
from server.core.names import TOP_LEVEL_ROLES
from server.core.profile import check_root, check_targets
from server.core.role_content import check_role_content
from signer.errors import ProposalError, refusing
from signer.proposal.document import MetadataText, Proposal


@dataclass(frozen=True, slots=True)
class State:
    """A root, the targets role under it, and the delegated roles that a proposal speaks of."""

    root: Root
    targets: Targets
    roles: Mapping[str, Targets]

    def role(self, name: str) -> Root | Targets | None:
        """Return a role by name, None for one that is not here."""
        if name == "root":
            return self.root
        return self.targets if name == "targets" else self.roles.get(name)

    def delegator(self, name: str) -> Root | Targets:
        """Return the role that says who signs `name`."""
        return self.root if name in TOP_LEVEL_ROLES else self.targets


@dataclass(frozen=True, slots=True)
class Transition:
    """A proposal that may be signed: the states around it and the new metadata, unsigned.

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
    the version before it and would not be expired at `now`, (3) root, targets and every changed
    role keep the rules of docs/FORMATS.md, (4) no role that was delegated is dropped and each new
    one comes with its first version, (5) what does not change still has enough signatures under the
    new keys.
    """
    with refusing(ProposalError):
        before = _verify_context(proposal.context)  # (1)
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
        check_root(after.root)  # (3)
        check_targets(after.root, after.targets)
        for role in set(new) - set(TOP_LEVEL_ROLES):
            _check_delegated_to(role, after.targets)
            check_role_content(role, before.roles.get(role) if before else None, after.roles[role])
        _check_roles_kept(before, after)  # (4)
        _check_still_signed(proposal.context, before, after, new)  # (5)
    return Transition(before, after, new)


def check_anchor(proposal: Proposal, pinned: bytes) -> None:
    """Raise ProposalError unless the root `pinned` is one of the proposal's chain of roots."""
    with refusing(ProposalError):
        version = verify_first_root(pinned).signed.version
    octets = [
        file.data for file in proposal.context if (file.role, file.version) == ("root", version)
    ]
    if octets != [pinned]:
        raise ProposalError(
            f"The proposal does not build on the root {version} that you trust; do not sign it, and"
            " ask where it is from."
        )


def decode_unsigned(file: MetadataText) -> Metadata[Any]:
    """Read the new version of a role, which has no signatures yet and one encoding only."""
    data = file.data
    metadata: Metadata[Any] = (
        decode_root(data) if file.role == "root" else decode_targets(file.role, data)
    )
    if metadata.signatures or encode_metadata(metadata) != data:
        raise TrustError(f"the new {file.role} is not in its one unsigned form.")
    if metadata.signed.version != file.version:
        raise TrustError(f"the new {file.role} calls itself version {metadata.signed.version}.")
    return metadata


def _verify_context(context: list[MetadataText]) -> State | None:
    if not context:
        return None
    files: dict[str, list[MetadataText]] = {"root": [], "targets": []}
    for file in context:
        files.setdefault(file.role, []).append(file)
    root = _verify_roots(files.pop("root"))
    targets: Targets = _verify_one(files.pop("targets"), root)
    check_targets(root, targets)
    roles = {role: _verify_one(versions, targets) for role, versions in files.items()}
    for role, signed in roles.items():
        check_role_content(role, None, signed)
    return State(root, targets, roles)


def _verify_roots(files: list[MetadataText]) -> Root:
    if not files:
        raise TrustError("the proposal's context has no root.")
    first, *later = files
    root = verify_first_root(first.data).signed
    for file in later:
        root = verify_root(file.data, root, None).signed
    if first.version + len(later) != root.version:
        raise TrustError("the proposal's roots are not the versions that they are called.")
    check_root(root)
    return root


def _verify_one(files: list[MetadataText], delegator: Root | Targets) -> Targets:
    if len(files) != 1:
        raise TrustError("the proposal's context does not have targets, and each role, once.")
    (file,) = files
    signed: Targets = verify_role(file.role, file.data, delegator, None).signed
    if signed.version != file.version:
        raise TrustError(f"{file.role} {file.version} in the context is another version.")
    return signed


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
    if before is not None and old is None and role in _delegated(before.targets):
        raise TrustError(f"the proposal does not bring the version of {role} that it replaces.")
    expected = 1 if old is None else old.version + 1
    if signed.version != expected:
        raise TrustError(f"{role} {signed.version} was proposed; {expected} comes next.")


def _check_delegated_to(role: str, targets: Targets) -> None:
    delegations = targets.delegations
    if delegations is None or delegations.roles is None or role not in delegations.roles:
        raise TrustError(f"targets does not delegate to {role}.")


def _check_roles_kept(before: State | None, after: State) -> None:
    old = set() if before is None else _delegated(before.targets)
    new = _delegated(after.targets)
    if gone := sorted(old - new):
        raise TrustError(f"the new targets drops {gone[0]}; a role that was published must stay.")
    if missing := sorted(new - old - after.roles.keys() - {"latest"}):
        raise TrustError(f"targets delegates to {missing[0]}, whose first version is not there.")


def _check_still_signed(
    context: list[MetadataText],
    before: State | None,
    after: State,
    new: Mapping[str, Metadata[Any]],
) -> None:
    if before is None:
        return
    octets = {file.role: file.data for file in context if file.role != "root"}
    affected = ["targets"] if "root" in new else []
    if "targets" in new:
        affected += sorted(changed_delegations(before.targets, after.targets) - {"latest"})
    for role in affected:
        if role in new or role not in _delegated(before.targets) | {"targets"}:
            continue
        if role not in octets:
            raise TrustError(f"the proposal changes who signs {role} and does not bring it along.")
        verify_role(role, octets[role], after.delegator(role), None)


def changed_delegations(before: Targets, after: Targets) -> set[str]:
    """Return the roles whose keys or threshold differ between two versions of targets."""
    old, new = _delegations(before), _delegations(after)
    return {role for role in old.keys() | new.keys() if old.get(role) != new.get(role)}


def _delegations(targets: Targets) -> dict[str, tuple[int, frozenset[str]]]:
    delegations = targets.delegations
    roles = {} if delegations is None or delegations.roles is None else delegations.roles
    return {name: (role.threshold, frozenset(role.keyids)) for name, role in roles.items()}


def _delegated(targets: Targets) -> set[str]:
    return set(_delegations(targets))

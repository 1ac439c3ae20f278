"""Reads and writes proposal files, which hold the versions to replace and the new versions."""

from collections.abc import Mapping
from dataclasses import dataclass

from tuf.api.metadata import Root, Targets

from server.core import proposal as codec
from server.core.errors import TrustError
from server.core.metadata import (
    decode_root,
    encode_metadata,
    verify_first_root,
    verify_role,
    verify_root,
)
from server.core.names import TOP_LEVEL_ROLES
from server.core.profile import check_root, check_targets
from server.core.proposal import MetadataText, Proposal
from server.core.succession import check_role_alone
from signer.bundle_writer import Blob
from signer.errors import ProposalError, refusing


def encode_proposal(proposal: Proposal) -> bytes:
    """Return the bytes of a proposal file; raises ProposalError for one that breaks the format."""
    with refusing(ProposalError):
        return codec.encode_proposal(proposal)


def decode_proposal(data: bytes) -> Proposal:
    """Decode a proposal file, which must be canonical. Nothing in it is trusted yet."""
    with refusing(ProposalError):
        return codec.decode_proposal(data)


@dataclass(frozen=True, slots=True)
class State:
    """A root, the targets role under it, and the delegated roles that a proposal concerns."""

    root: Root
    targets: Targets
    roles: Mapping[str, Targets]

    def role(self, name: str) -> Root | Targets | None:
        """Return a role by name, None for an absent one."""
        if name == "root":
            return self.root
        return self.targets if name == "targets" else self.roles.get(name)

    def delegator(self, name: str) -> Root | Targets:
        """Return the role that delegates to `name`."""
        return self.root if name in TOP_LEVEL_ROLES else self.targets


def verify_context(context: list[MetadataText]) -> State | None:
    """Return the state in the context of a proposal, or None if there is no context.

    Raises a HeningError unless roots, targets and roles have valid signatures. Expiry is not
    checked, because a version that is replaced may have expired.
    """
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
        check_role_alone(role, signed)
    return State(root, targets, roles)


def _verify_roots(files: list[MetadataText]) -> Root:
    if not files:
        raise TrustError("the proposal's context has no root.")
    first, *later = files
    root = verify_first_root(first.data).signed
    for file in later:
        root = verify_root(file.data, root, None).signed
    if first.version + len(later) != root.version:
        raise TrustError("the proposal's roots have other versions than the proposal says.")
    check_root(root)
    return root


def _verify_one(files: list[MetadataText], delegator: Root | Targets) -> Targets:
    if len(files) != 1:
        raise TrustError("the proposal's context must have targets and each role exactly once.")
    (file,) = files
    signed: Targets = verify_role(file.role, file.data, delegator, None).signed
    if signed.version != file.version:
        raise TrustError(f"{file.role} {file.version} in the context has another version.")
    return signed


def check_anchor(proposal: Proposal, pinned: bytes) -> None:
    """Raise ProposalError unless the proposal's chain of roots has the root `pinned`.

    Signatures of `pinned` are ignored. Later roots of the chain, and the whole context, are trusted
    by their signatures.
    """
    with refusing(ProposalError):
        expected = decode_root(pinned)
        expected.signatures.clear()
        for file in proposal.context:
            if (file.role, file.version) == ("root", expected.signed.version):
                root = decode_root(file.data)
                root.signatures.clear()
                if encode_metadata(root) == encode_metadata(expected):
                    return
    raise ProposalError(
        f"The proposal does not build on the root {expected.signed.version} that you trust; do not"
        " sign it, and ask where it comes from."
    )


@dataclass(frozen=True, slots=True)
class Change:
    """The unsigned next version of each changed role, and the packages that these versions add."""

    roles: Mapping[str, Root | Targets]
    packages: tuple[Blob, ...] = ()

"""Turns a change into a proposal; it reads the working folder and writes nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from tuf.api.metadata import Metadata, Root, Targets

from server.core.metadata import encode_metadata
from server.core.names import TOP_LEVEL_ROLES
from server.core.proposal import MetadataText, PackageFile, Proposal, proposal_id
from signer.errors import ProposalError, refusing
from signer.keys.public_key import PublicKey
from signer.proposal.document import Change, decode_proposal, encode_proposal
from signer.proposal.trust import Transition, changed_delegations, verify_proposal
from signer.signing import load_trusted
from signer.work_folder import WorkFolder


@dataclass(frozen=True, slots=True)
class Proposed:
    """A proposal: the bytes of its file, its id, its content, and the resulting transition."""

    data: bytes
    identity: str
    proposal: Proposal
    transition: Transition


def propose_change(
    folder: WorkFolder, change: Change, keys: Sequence[PublicKey], now: datetime, note: str = ""
) -> Proposed:
    """Return the proposal of `change`, after verifying it.

    The proposal names the keys in `keys` for its readers. If `folder` has no repository, the first
    version of one is proposed.
    """
    proposal = Proposal(
        schema=1,
        kind="proposal",
        created=int(now.timestamp()),
        note=note,
        names={key.keyid: key.label for key in keys},
        context=_load_context(folder, change) if folder.exists() else [],
        changes=_encode_changes(change.roles),
        packages=sorted(
            {
                PackageFile(package.sha256, package.length, package.path.name)
                for package in change.packages
            }
        ),
    )
    transition = verify_proposal(proposal, now)
    data = encode_proposal(proposal)
    return Proposed(data, proposal_id(data), proposal, transition)


def load_proposal(data: bytes, now: datetime) -> Proposed:
    """Read a proposal file and verify it."""
    proposal = decode_proposal(data)
    return Proposed(data, proposal_id(data), proposal, verify_proposal(proposal, now))


def _load_context(folder: WorkFolder, change: Change) -> list[MetadataText]:
    trusted = load_trusted(folder, None)
    versions = {"targets": trusted.versions["targets"][-1]}
    touched = set(change.roles) - set(TOP_LEVEL_ROLES)
    targets = change.roles.get("targets")
    if isinstance(targets, Targets):
        touched |= changed_delegations(trusted.targets, targets)
    for role in touched:
        if role in trusted.versions:
            versions[role] = trusted.versions[role][-1]
    needed = [("root", version) for version in trusted.versions["root"]]
    needed += versions.items()
    return [
        MetadataText(role, version, folder.load(role, version).decode())
        for role, version in sorted(needed)
    ]


def _encode_changes(roles: Mapping[str, Root | Targets]) -> list[MetadataText]:
    with refusing(ProposalError):
        return [
            MetadataText(role, signed.version, encode_metadata(Metadata(signed)).decode())
            for role, signed in sorted(roles.items())
        ]

"""Signs a proposal with the keys of one holder, and records the signed versions."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from securesystemslib.exceptions import UnverifiedSignatureError
from securesystemslib.signer import Signer

from server.core.encodings import decode_canonical_json, encode_canonical_json
from server.core.metadata import ROOT_LIMIT
from server.core.names import check_role
from server.core.proposal import Hash, Proposal
from server.core.release import Positive
from signer.durable import replace_file
from signer.errors import ProposalError, SignerError, refusing
from signer.keys.keystore import Keystore, Passphrases
from signer.keys.public_key import PublicKey
from signer.proposal.trust import Transition

MAX_SIGNATURES = 16 * 1024 * 1024
Hex128 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{128}\Z")]


class RoleSignature(msgspec.Struct, frozen=True, forbid_unknown_fields=True, order=True):
    """One key's signature of one role of a proposal."""

    role: str
    keyid: Hash
    sig: Hex128


class SignatureFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The signatures that one holder made for the proposal with the id `proposal`."""

    schema: Literal[1]
    kind: Literal["signatures"]
    proposal: Hash
    signatures: Annotated[list[RoleSignature], msgspec.Meta(min_length=1, max_length=50_000)]


def encode_signatures(file: SignatureFile) -> bytes:
    """Return the bytes of a signature file."""
    with refusing(ProposalError):
        data = encode_canonical_json(msgspec.to_builtins(file))
    _check(file)
    return data


def decode_signatures(data: bytes) -> SignatureFile:
    """Decode a signature file, which must be canonical. No signature is verified yet."""
    with refusing(ProposalError):
        value = decode_canonical_json(data, limit=MAX_SIGNATURES)
    try:
        file = msgspec.convert(value, SignatureFile)
    except msgspec.ValidationError as error:
        raise ProposalError(
            f"This is not a signature file of schema 1: {error}; ask for the one that"
            " `ceremony sign` wrote."
        ) from error
    _check(file)
    return file


def _check(file: SignatureFile) -> None:
    pairs = [(signature.role, signature.keyid) for signature in file.signatures]
    if sorted(set(pairs)) != pairs:
        raise ProposalError("The signatures are not sorted, or one of them is repeated.")
    with refusing(ProposalError):
        for role, _ in pairs:
            check_role(role)


@dataclass(frozen=True, slots=True)
class HeldKey:
    """A key of the holder's folder that may sign a proposal, and the roles that it signs."""

    key: PublicKey
    roles: tuple[str, ...]


def find_holdings(
    transition: Transition, keystore: Keystore, names: Sequence[str] = ()
) -> list[HeldKey]:
    """Return the keys in the folder that may sign, or only those in `names` if any are given.

    Raises ProposalError when no key may sign, or a key in `names` may not sign or does not exist.
    """
    keys = [key for key in keystore.load_public_keys() if keystore.has_private(key.name)]
    if names:
        if missing := sorted(set(names) - {key.name for key in keys}):
            raise ProposalError(f"The private half of {missing[0]} is not in {keystore.folder}.")
        keys = [key for key in keys if key.name in names]
    allowed = {role: transition.signing_keys(role).keys() for role in transition.new}
    holdings = []
    for key in keys:
        keyid = key.keyid  # a property that is computed at each access
        roles = tuple(role for role in transition.new if keyid in allowed[role])
        if roles:
            holdings.append(HeldKey(key, roles))
        elif names:
            raise ProposalError(f"{key.name} may not sign any role that the proposal changes.")
    if not holdings:
        raise ProposalError(
            f"No key in {keystore.folder} may sign a role that the proposal changes"
            f" ({', '.join(transition.new)}); give the proposal to the holders of their keys."
        )
    return holdings


def sign_proposal(
    transition: Transition,
    proposal_id: str,
    keystore: Keystore,
    holdings: Sequence[HeldKey],
    passphrases: Passphrases,
) -> SignatureFile:
    """Return the signatures of every key in `holdings` under every role that it may sign."""
    signatures: list[RoleSignature] = []
    for holding in holdings:
        signer = keystore.load_signer(holding.key, passphrases)
        signatures.extend(_sign(signer, transition, role) for role in holding.roles)
    return SignatureFile(
        schema=1, kind="signatures", proposal=proposal_id, signatures=sorted(signatures)
    )


def _sign(signer: Signer, transition: Transition, role: str) -> RoleSignature:
    data = transition.new[role].signed_bytes
    signature = signer.sign(data)
    try:
        signer.public_key.verify_signature(signature, data)
    except UnverifiedSignatureError as error:
        raise SignerError(
            f"The key {signature.keyid[:16]} made a signature that does not verify; nothing was"
            " written, so check the token, or the memory of this machine."
        ) from error
    return RoleSignature(role, signature.keyid, signature.signature)


MAX_RECORD = 4 * 1024 * 1024


class SignedVersion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The newest version of a role that was signed, and the sha256 of its unsigned bytes."""

    version: Positive
    sha256: Hash


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The content of `signed.json`: the newest signed version by role."""

    schema: Literal[1]
    signed: Annotated[dict[str, SignedVersion], msgspec.Meta(max_length=10_000)]


@dataclass(frozen=True, slots=True)
class HolderRecord:
    """The record in the key folder `folder`: the pinned root and the signed versions."""

    folder: Path

    def load_root(self) -> bytes | None:
        """Return the pinned root, or None if none is pinned yet."""
        try:
            with (self.folder / "root.json").open("rb") as file:
                return file.read(ROOT_LIMIT + 1)
        except FileNotFoundError:
            return None

    def pin_root(self, data: bytes) -> None:
        """Pin a root, so that it is trusted from now on."""
        replace_file(self.folder / "root.json", data)

    def load_signed(self) -> dict[str, SignedVersion]:
        """Return the newest version of each role that was signed with this folder."""
        try:
            with (self.folder / "signed.json").open("rb") as file:
                return decode_record(file.read(MAX_RECORD + 1))
        except FileNotFoundError:
            return {}

    def note_signed(self, versions: Mapping[str, SignedVersion]) -> None:
        """Record versions that are about to be signed."""
        replace_file(self.folder / "signed.json", encode_record({**self.load_signed(), **versions}))


def encode_record(signed: Mapping[str, SignedVersion]) -> bytes:
    """Return the bytes of `signed.json`."""
    with refusing(ProposalError):
        return encode_canonical_json(msgspec.to_builtins(Record(1, dict(signed))))


def decode_record(data: bytes) -> dict[str, SignedVersion]:
    """Decode `signed.json`; raises ProposalError unless it is canonical."""
    try:
        with refusing(ProposalError):
            record = msgspec.convert(decode_canonical_json(data, limit=MAX_RECORD), Record)
    except (msgspec.ValidationError, ProposalError) as error:
        raise ProposalError(
            f"signed.json of the key folder cannot be read: {error}; restore it from a copy."
        ) from error
    return record.signed


def list_versions(proposal: Proposal) -> dict[str, SignedVersion]:
    """Return the versions that a proposal asks to sign, with the sha256 of their unsigned bytes."""
    return {
        file.role: SignedVersion(file.version, hashlib.sha256(file.data).hexdigest())
        for file in proposal.changes
    }


def check_record(
    requested: Mapping[str, SignedVersion], signed: Mapping[str, SignedVersion]
) -> None:
    """Raise ProposalError if the holder signed a newer version, or other bytes of this version."""
    for role, version in requested.items():
        before = signed.get(role)
        if before is None or before.version < version.version or before == version:
            continue
        if before.version > version.version:
            raise ProposalError(
                f"You have signed {role} {before.version} before, so a proposal for {role}"
                f" {version.version} builds on an old state; ask for a new one."
            )
        raise ProposalError(
            f"You have signed another {role} {version.version} before; sign this one only if that"
            " one was dropped everywhere, with --again."
        )

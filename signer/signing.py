"""Signs role versions and verifies the roles in the working folder."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from securesystemslib.signer import Signer
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, Root, Targets

from server.core.latest import delegated_roles
from server.core.metadata import (
    check_expiry,
    decode_root,
    decode_targets,
    encode_metadata,
    verify_role,
    verify_root,
)
from server.core.profile import check_delegated, check_root, check_targets
from signer.errors import KeyStoreError, SignerError, WorkFolderError, refusing
from signer.keys.keystore import Keystore, Passphrases
from signer.keys.public_key import PublicKey
from signer.work_folder import WorkFolder


def decode_offline_role(role: str, data: bytes) -> Metadata[Any]:
    """Decode a version of an offline role; raises FormatError. No signature is verified."""
    return decode_root(data) if role == "root" else decode_targets(role, data)


@dataclass(frozen=True, slots=True)
class Trusted:
    """The verified current root and targets, and the versions of every role in the folder."""

    root: Root
    targets: Targets
    versions: Mapping[str, list[int]]


def sign_role(signed: Root | Targets, signers: Sequence[Signer]) -> bytes:
    """Return the bytes of a role version signed by all of `signers`."""
    metadata: Metadata[Any] = Metadata(signed)
    try:
        for signer in signers:
            metadata.sign(signer, append=True)
    except RepositoryError as error:
        if isinstance(error.__cause__, SignerError):  # a token's error, which has its own message
            raise error.__cause__ from error
        raise SignerError(f"A key did not sign, and nothing was written: {error}.") from error
    with refusing(SignerError):
        return encode_metadata(metadata)


def load_signers(
    keystore: Keystore, keys: Sequence[PublicKey], passphrases: Passphrases
) -> list[Signer]:
    """Open the private halves of `keys`, asking once for each passphrase and each token's PIN."""
    return [keystore.load_signer(key, passphrases) for key in keys]


def load_role_signers(
    keystore: Keystore, trusted: Trusted, role: str, passphrases: Passphrases
) -> list[Signer]:
    """Open as many of a delegated role's keys as its threshold requires."""
    delegation = trusted.targets.get_delegated_role(role)
    available = [
        key
        for key in keystore.load_public_keys()
        if key.keyid in delegation.keyids and keystore.has_private(key.name)
    ]
    if len(available) < delegation.threshold:
        raise KeyStoreError(
            f"{role} needs {delegation.threshold} signatures, and {keystore.folder} holds"
            f" {len(available)} of its keys; use the key folder of this model's maintainers."
        )
    return load_signers(keystore, available[: delegation.threshold], passphrases)


def load_trusted(folder: WorkFolder, now: datetime | None) -> Trusted:
    """Verify the folder's chain of roots and its targets role, which must not be expired at `now`.

    The first root is trusted because it is in the engineers' own folder. If `now` is None, expiry
    is not checked: that is for reading, not for signing.
    """
    versions = folder.load_versions()
    with refusing(WorkFolderError):
        root = _load_root(folder, versions)
        if now is not None:
            check_expiry("root", root, now)
        check_root(root)
        if "targets" not in versions:
            raise WorkFolderError(f"{folder.folder} has no targets role; restore it first.")
        data = folder.load("targets", versions["targets"][-1])
        targets = verify_role("targets", data, root, now).signed
        check_targets(root, targets)
    return Trusted(root, targets, versions)


def load_delegated(folder: WorkFolder, trusted: Trusted, role: str) -> tuple[bytes, Targets]:
    """Return the bytes and content of a delegated role's current version, even if it is expired."""
    if role not in trusted.versions:
        raise WorkFolderError(
            f"{folder.folder} has no role {role}; `ceremony model {role}` adds a model."
        )
    data = folder.load(role, trusted.versions[role][-1])
    with refusing(WorkFolderError):
        targets: Targets = verify_role(role, data, trusted.targets, None).signed
        check_delegated(role, targets)
    return data, targets


@dataclass(frozen=True, slots=True)
class SignedRole:
    """The current version of a role: its bytes and its content."""

    data: bytes
    signed: Targets


def load_signed_roles(
    folder: WorkFolder, trusted: Trusted, roles: Iterable[str]
) -> dict[str, SignedRole]:
    """Return targets, and each delegated role in `roles` that the folder has."""
    data = folder.load("targets", trusted.targets.version)
    found = {"targets": SignedRole(data, trusted.targets)}
    for role in roles:
        if role in trusted.versions and role not in {"root", "targets"}:
            found[role] = SignedRole(*load_delegated(folder, trusted, role))
    return found


def _load_root(folder: WorkFolder, versions: Mapping[str, list[int]]) -> Root:
    if "root" not in versions:
        raise WorkFolderError(f"{folder.folder} has no root role; restore it first.")
    first, *later = versions["root"]
    metadata = decode_root(folder.load("root", first))
    root = metadata.signed
    try:
        root.verify_delegate("root", metadata.signed_bytes, metadata.signatures)
    except (RepositoryError, ValueError) as error:
        raise WorkFolderError(f"root {first} is not signed by its own keys: {error}.") from error
    for version in later:
        root = verify_root(folder.load("root", version), root, None).signed
    return root


@dataclass(frozen=True, slots=True)
class KeyRole:
    """A role that lists a key: how many signatures it needs, and how many keys it lists."""

    role: str
    threshold: int
    keys: int

    @property
    def is_enough(self) -> bool:
        """Whether this key alone meets the threshold."""
        return self.threshold == 1


def find_key_roles(keyid: str, trusted: Trusted) -> list[KeyRole]:
    """Return the roles that list the key id, of those in root and those that targets delegates."""
    roles = {**trusted.root.roles, **delegated_roles(trusted.targets)}
    return [
        KeyRole(name, role.threshold, len(set(role.keyids)))
        for name, role in roles.items()
        if keyid in role.keyids
    ]

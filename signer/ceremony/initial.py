"""The initial key ceremony: makes version 1 of every offline role and submits it to the server."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

from tuf.api.metadata import Root, Targets

from signer.bundle_writer import prepared_bundle
from signer.ceremony.plan import OnlineKeys, plan_ceremony
from signer.ceremony.policy import Policy
from signer.errors import CeremonyError, refusing, resumable
from signer.keys.keystore import Keystore, Passphrases
from signer.keys.public_key import PublicKey
from signer.signing import (
    decode_offline_role,
    load_delegated,
    load_signers,
    load_trusted,
    sign_role,
)
from signer.work_folder import WorkFolder


@dataclass(frozen=True, slots=True)
class RoleSummary:
    """One role of a new repository, for people."""

    name: str
    threshold: int
    keys: tuple[str, ...]
    expires: datetime


@dataclass(frozen=True, slots=True)
class Ceremony:
    """The result of a ceremony: the roles and the id of the submission bundle.

    `repeated` is true when the repository existed already and was only submitted again.
    """

    roles: tuple[RoleSummary, ...]
    bundle: str
    repeated: bool


def init_repository(
    folder: WorkFolder,
    keystore: Keystore,
    passphrases: Passphrases,
    online: OnlineKeys,
    policy: Policy,
    now: datetime,
    incoming: Path,
) -> Ceremony:
    """Sign version 1 of every offline role with all of its keys, store it and submit it.

    If the folder already holds the same plan, nothing is signed: its bytes are submitted again, so
    that an interrupted ceremony can be repeated. Raises CeremonyError if it holds another plan.
    """
    keys = group_keys(keystore.load_public_keys())
    planned = plan_ceremony(policy, keys, online, now)
    known = folder.exists()
    if known:
        files = _load_same(folder, planned)
    else:
        files = {
            role: sign_role(signed, load_signers(keystore, keys[role], passphrases))
            for role, signed in planned.items()
        }
    roles = {(role, 1): data for role, data in files.items()}
    # Crash before `create` has ended: no repository, nothing submitted, at most `.tmp-` names.
    # Crash after it and before the bundle's `reveal`: the repository is whole and not submitted;
    # the same command submits it.
    with (
        prepared_bundle(incoming, roles, ()) as bundle,
        folder.locked(),
        resumable("run the same command again to finish"),
    ):
        if folder.exists() != known:
            raise CeremonyError(f"Another process has made {folder.folder} meanwhile; use it.")
        if not known:
            folder.create(files)
        # The repository is read back from disk, and each of its roles is verified.
        trusted = load_trusted(folder, now)
        for role in policy.roles[2:]:
            load_delegated(folder, trusted, role)
        bundle.reveal()
    return Ceremony(
        tuple(
            RoleSummary(
                role,
                policy.threshold(role),
                tuple(key.name for key in keys[role]),
                _decode(role, files[role]).expires,
            )
            for role in policy.roles
        ),
        bundle.id,
        known,
    )


def group_keys(keys: Sequence[PublicKey]) -> dict[str, list[PublicKey]]:
    """Return the keys, which are sorted by role, by role."""
    return {role: list(own) for role, own in groupby(keys, key=lambda key: key.role)}


def _load_same(folder: WorkFolder, planned: Mapping[str, Root | Targets]) -> dict[str, bytes]:
    """Return the recorded bytes if they match the plan as it was at an earlier time."""
    files: dict[str, bytes] = {}
    if folder.load_versions() == {role: [1] for role in planned}:
        files = {role: folder.load(role, 1) for role in planned}
    if not files or any(
        _content(_decode(role, data)) != _content(planned[role]) for role, data in files.items()
    ):
        raise CeremonyError(
            f"{folder.folder} holds another repository already, or one that was made with other"
            " options; give the same options as then, or choose a new folder."
        )
    # The time of the first ceremony is not recorded, but all its dates differ from the plan
    # equally.
    ages = {planned[role].expires - _decode(role, data).expires for role, data in files.items()}
    if len(ages) > 1 or min(ages) < timedelta(0):
        raise CeremonyError(
            f"{folder.folder} holds this repository with other lifetimes; give the same --expires"
            " options as then, or choose a new folder."
        )
    return files


def _decode(role: str, data: bytes) -> Root | Targets:
    with refusing(CeremonyError):
        signed: Root | Targets = decode_offline_role(role, data).signed
        return signed


def _content(signed: Root | Targets) -> dict[str, Any]:
    content: dict[str, Any] = signed.to_dict()
    return {name: value for name, value in content.items() if name != "expires"}

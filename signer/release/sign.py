"""Signs releases: turns inspected packages into a new codename role version and its bundle."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from server.core.latest import delegated_roles
from server.core.limits import check_limits
from server.core.metadata import verify_role
from server.core.names import is_codename
from server.core.release import Release, decode_floor, decode_releases
from signer.bundle_writer import Blob, Progress, prepared_bundle
from signer.ceremony.policy import ROLE_EXPIRY_DAYS, expiry
from signer.errors import ReleaseRefusal, WorkFolderError, refusing, resumable
from signer.keys.keystore import Keystore, Passphrases
from signer.ota.summary import OtaFacts
from signer.release.plan import plan_release
from signer.release.request import ReleaseRequest
from signer.signing import load_delegated, load_role_signers, load_trusted, sign_role
from signer.work_folder import WorkFolder


@dataclass(frozen=True, slots=True)
class SignedRelease:
    """A signed release: role and version, the build's counter, target paths, bundle and expiry.

    `repeated` is true when all packages were listed already and the same bytes were submitted
    again.
    """

    role: str
    version: int
    counter: int
    paths: tuple[str, ...]
    bundle: str
    expires: datetime
    repeated: bool


@dataclass(frozen=True, slots=True)
class ListedRole:
    """A codename role's current version; builds with a counter below `floor` were removed."""

    role: str
    version: int
    expires: datetime
    floor: int
    releases: dict[str, Release]


def sign_release(
    folder: WorkFolder,
    keystore: Keystore,
    passphrases: Passphrases,
    request: ReleaseRequest,
    packages: Sequence[OtaFacts],
    now: datetime,
    incoming: Path,
    *,
    sources: Sequence[OtaFacts] = (),
    expiry_days: int = ROLE_EXPIRY_DAYS,
    progress: Progress | None = None,
) -> SignedRelease:
    """Sign the packages of one build as releases of their model and submit them.

    Refuses everything that `plan_release` refuses, a folder that does not verify, and a key folder
    with fewer keys than the threshold. A refusal leaves the disk unchanged. `progress` is called
    with the bytes copied and the total.
    """
    role = request.channel.codename
    trusted = load_trusted(folder, now)
    data, current = load_delegated(folder, trusted, role)
    planned = plan_release(request, packages, current, now, expiry(now, expiry_days), sources)
    # An expired version is useless, so the same command signs the next one.
    repeated = planned.targets == current.targets and not current.is_expired(now)
    if repeated:
        signed = current
    else:
        signed = planned
        with refusing(ReleaseRefusal):
            check_limits(role, planned, trusted.root, now)
        data = sign_role(planned, load_role_signers(keystore, trusted, role, passphrases))
        with refusing(ReleaseRefusal):
            verify_role(role, data, trusted.targets, now)
    blobs = [Blob(facts.path, facts.length, facts.sha256) for facts in packages]
    blobs += [each.csig for each in request.extras.values() if each.csig is not None]
    # The version is recorded before the bundle gets its name, because a visible bundle may be
    # published immediately, and a published version must never be signed a second time. Crash
    # before `store`: nothing is recorded, nothing submitted, at most `.tmp-` names are left. Crash
    # between the two: the version is recorded and not submitted; the same command finds its
    # packages listed and submits the recorded bytes.
    with (
        prepared_bundle(incoming, {(role, signed.version): data}, blobs, progress) as bundle,
        resumable("run the same command again to finish"),
    ):
        if not repeated:
            with folder.changing():
                folder.store(role, signed.version, data)
        bundle.reveal()
    paths = tuple(f"{request.channel}/{facts.path.name}" for facts in packages)
    return SignedRelease(
        role=role,
        version=signed.version,
        counter=signed.targets[paths[0]].custom["counter"],
        paths=paths,
        bundle=bundle.id,
        expires=signed.expires,
        repeated=repeated,
    )


def submit_again(folder: WorkFolder, role: str, incoming: Path) -> str:
    """Submit the current version of a role once more and return the bundle's id.

    This is for an edit that was signed before: the signer cannot know whether its bundle arrived.
    """
    data, current = load_delegated(folder, load_trusted(folder, None), role)
    with prepared_bundle(incoming, {(role, current.version): data}, []) as bundle:
        bundle.reveal()
    return bundle.id


def list_releases(folder: WorkFolder, codename: str | None = None) -> list[ListedRole]:
    """Return the codename roles of the working folder with their releases, or only `codename`."""
    trusted = load_trusted(folder, None)
    models = sorted(filter(is_codename, delegated_roles(trusted.targets)))
    if codename is not None:
        if codename not in models:
            raise WorkFolderError(f"{folder.folder} has no model {codename}; choose another.")
        models = [codename]
    listed = []
    for model in models:
        _, targets = load_delegated(folder, trusted, model)
        with refusing(WorkFolderError):
            releases, floor = decode_releases(targets), decode_floor(targets).counter
        listed.append(ListedRole(model, targets.version, targets.expires, floor, releases))
    return listed

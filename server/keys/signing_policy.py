"""Decides what the key process signs. Pure: returns a publication or raises an error.

A request holds no bytes to sign, only pointers, and role files that offline keys signed. From these
the publisher's rules make the online roles here, with versions above all that were ever signed. So
a compromised publisher gets no version twice and no log with two histories.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from tuf.api.metadata import Root

from server.core.errors import FormatError, TrustError
from server.core.limits import check_resets_follow
from server.core.metadata import verify_first_root, verify_role, verify_root
from server.core.names import is_latest, is_online
from server.core.pointer import decode_pointer
from server.core.profile import check_delegated, check_root, check_targets
from server.publisher.keys.choice import choose_keys
from server.publisher.keys.messages import Publish
from server.publisher.keys.online_keys import OnlineKeys
from server.publisher.plan import Publication, earliest_time, plan_publication
from server.publisher.published import Published, list_versions
from server.publisher.verify import RoleVersion, verify_submission

MAX_BURNED = 1000
"""How many versions a log may be ahead of those signed here; a crash burns one.

The limit keeps a compromised publisher from using up all versions.
"""


def judge_publication(
    request: Publish,
    published: Published | None,
    pinned: bytes,
    keys: OnlineKeys,
    signed: Mapping[str, int],
    now: datetime,
) -> Publication:
    """Return the signed publication of a request.

    `published` is the public state, as verified here; `signed` has the newest version of each
    online role that was ever signed. The publication is dated by the earlier of `now` and the
    publisher's time, so that no single clock dates it ahead, but not before the public state.

    Raises what `verify_submission` and `plan_publication` raise, FormatError for a malformed
    pointer, and TrustError for a log that is too far ahead.
    """
    if online := [file.role for file in request.files if is_online(file.role)]:
        raise TrustError(f"{online[0]} is signed here and not submitted.")
    at = min(now, request.now.astimezone(UTC))
    burned = {role: frozenset(versions) for role, versions in request.burned.items()}
    trust = verify_submission(request.files, published, pinned, keys, at, burned)
    if published is not None:  # with the clock set back, no earlier expiry is signed (ADR 36)
        at = max(at, earliest_time(published, trust))
    pointers = {path: decode_pointer(path, custom) for path, custom in request.pointers.items()}
    used = dict(signed)
    for role, version in request.logged.items():
        if not is_latest(role) or version > signed.get(role, 0) + MAX_BURNED:
            raise TrustError(
                f"the log is said to hold {role} {version}, and {signed.get(role, 0)} is the newest"
                " that was signed: check that record and log belong together."
            )
        used[role] = max(version, signed.get(role, 0))
    return plan_publication(
        trust,
        published,
        request.files,
        pointers,
        choose_keys(keys, trust.root, trust.targets),
        at,
        renew=request.renew,
        used=used,
    )


def judge_public(
    files: Sequence[RoleVersion], known: Published | None, pinned: bytes
) -> Publication:
    """Return the publisher's public state as a publication.

    All files must follow by signatures from the `pinned` root, or from the root of `known`, and
    none may be older than in `known`. Expiry is not checked: a server may have been off for long.
    Raises FormatError, TrustError or ProfileError.
    """
    found = {(file.role, file.version): file.data for file in files}
    timestamps = [file.data for file in files if file.role == "timestamp"]
    if len(timestamps) != 1:
        raise FormatError(
            f"what is public has {len(timestamps)} timestamps, and something was published: restore"
            " the state folder from a copy."
        )

    def read(role: str, version: int) -> bytes:
        if (role, version) not in found:
            raise FormatError(f"what is public has no {role} {version}.")
        return found[role, version]

    root, roots = _follow_roots(found, known, pinned)
    top = verify_role("timestamp", timestamps[0], root, None).signed
    snapshot_version = top.snapshot_meta.version
    snapshot = verify_role("snapshot", read("snapshot", snapshot_version), root, None).signed
    versions = list_versions(snapshot)
    targets = verify_role("targets", read("targets", versions["targets"]), root, None).signed
    check_targets(root, targets)
    signed = {"snapshot": snapshot, "targets": targets}
    for role, version in versions.items():
        if role != "targets":
            signed[role] = verify_role(role, read(role, version), targets, None).signed
            check_delegated(role, signed[role])
    wrong = [role for role, version in versions.items() if signed[role].version != version]
    if wrong or snapshot.version != snapshot_version:
        raise TrustError(f"the file of {wrong[0] if wrong else 'snapshot'} is of another version.")
    if known is not None:
        _check_not_older(
            known, {**versions, "snapshot": snapshot_version, "timestamp": top.version}
        )
    listed = sorted([*versions.items(), ("snapshot", snapshot_version)])
    current = [RoleVersion(role, version, found[role, version]) for role, version in listed]
    return Publication((*roots, *current), timestamps[0], snapshot_version)


def _follow_roots(
    found: Mapping[tuple[str, int], bytes], known: Published | None, pinned: bytes
) -> tuple[Root, list[RoleVersion]]:
    """Return the newest root, and the roots that `known` does not have."""
    roots = []
    if known is None:
        root = verify_first_root(pinned).signed
        roots.append(RoleVersion("root", root.version, pinned))
    else:
        root = known.root
    while (data := found.get(("root", root.version + 1))) is not None:
        before, root = root, verify_root(data, root, None).signed
        check_root(root)
        check_resets_follow(before, root)
        roots.append(RoleVersion("root", root.version, data))
    return root, roots


def _check_not_older(known: Published, versions: Mapping[str, int]) -> None:
    before = {
        **known.versions(),
        "snapshot": known.snapshot.version,
        "timestamp": known.timestamp.version,
    }
    for role, version in before.items():
        if versions.get(role, 0) < version:
            raise TrustError(
                f"{role} {version} was public, and {versions.get(role, 0)} is now: restore public/"
                " of the state folder from a newer copy; the record of the key process has the"
                " role files."
            )

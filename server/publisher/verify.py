"""Step 2 of publishing: submitted offline roles are verified against the trusted ones.

Pure: takes bytes, values and `now`; returns the resulting trust, or raises an error.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from tuf.api.metadata import Root, Targets

from server.core.errors import TrustError
from server.core.latest import delegated_roles
from server.core.limits import (
    check_follows_reset,
    check_lifetimes,
    check_limits,
    check_resets_follow,
    decode_resets,
)
from server.core.metadata import check_expiry, verify_first_root, verify_role, verify_root
from server.core.names import is_latest
from server.core.profile import check_root, check_targets
from server.core.succession import check_role_content
from server.publisher.errors import PublishError
from server.publisher.keys.choice import choose_keys
from server.publisher.keys.online_keys import OnlineKeys
from server.publisher.published import Trust


@dataclass(frozen=True, slots=True)
class RoleVersion:
    """One metadata file: its role, version and signed bytes."""

    role: str
    version: int
    data: bytes


def verify_submission(
    submitted: Sequence[RoleVersion],
    published: Trust | None,
    trusted_root: bytes,
    keys: OnlineKeys,
    now: datetime,
    logged: Mapping[str, Collection[int]],
) -> Trust:
    """Return the trust that a submission leads to.

    `logged` holds the versions of each submitted role that are in the log. An unpublished version
    among them is burned: the role skips its number.

    Raises FormatError, TrustError, ProfileError, ReleaseError or PublishError unless (1) each root
    follows the trusted one, (2) targets follows its predecessor and delegates as the profile
    requires, (3) each submitted role is delegated to, follows its predecessor in version and
    content, and keeps its limits, (4) every delegated role exists, (5) each role follows root's
    newest reset of it, and none in force exceeds root's lifetimes, and (6) the online keys are this
    server's. The timestamp that goes with the submission is signed at `now`, too.
    """
    by_role = {
        role: sorted(files, key=lambda file: file.version)
        for role, files in groupby(sorted(submitted, key=lambda f: f.role), key=lambda f: f.role)
    }
    # (1) roots
    if published is None:
        root = _first_root(by_role.pop("root", []), trusted_root, now)
    else:
        root = _follow_root(published.root, by_role.pop("root", []), now)
    # (2) targets
    targets = None if published is None else published.targets
    for file, at in _chain(by_role.pop("targets", []), now):
        targets = _follow_role(file, targets, root, at, logged)
        check_limits("targets", targets, root, now)
    if targets is None:
        raise PublishError("the first submission must hold root, targets and every role.")
    check_targets(root, targets)
    delegated = delegated_roles(targets).keys()
    # (3) delegated roles
    former: Mapping[str, Targets] = {} if published is None else published.roles
    if not former.keys() <= delegated:
        dropped = ", ".join(sorted(former.keys() - delegated))
        raise PublishError(f"targets no longer delegates to {dropped}; an empty role must stay.")
    changed: dict[str, Targets] = {}
    for name, files in by_role.items():
        if name not in delegated:
            raise TrustError(f"targets does not delegate to {name}.")
        before = former.get(name)
        for file, at in _chain(files, now):
            changed[name] = _follow_role(file, before, targets, at, logged)
            check_role_content(name, before, changed[name], decode_resets(root))
            check_limits(name, changed[name], root, now)
            before = changed[name]
    roles = {**former, **changed}
    # (4) nothing is missing
    if missing := {role for role in delegated - roles.keys() if not is_latest(role)}:
        raise PublishError(f"there is no metadata for {', '.join(sorted(missing))} yet.")
    # (5) resets and limits of root
    _check_root_fits(root, published, {"targets": targets, **roles}, now)
    # (6) the keys are this server's
    choose_keys(keys, root, targets)
    return Trust(root, targets, roles)


def _check_root_fits(
    root: Root, published: Trust | None, roles: Mapping[str, Targets], now: datetime
) -> None:
    for name, role in roles.items():
        if not is_latest(name) and name != "targets":
            check_follows_reset(name, role, root)
    if published is not None and root.version != published.root.version:
        check_lifetimes(root, roles, now)


def _first_root(files: list[RoleVersion], trusted_root: bytes, now: datetime) -> Root:
    if not files or files[0].data != trusted_root:
        raise TrustError("the first submission does not start with the pinned root.")
    root = verify_first_root(trusted_root).signed
    _check_root_version(files[0], root)
    check_root(root)
    return _follow_root(root, files[1:], now)


def _follow_root(root: Root, files: list[RoleVersion], now: datetime) -> Root:
    for file in files:
        before, root = root, verify_root(file.data, root, None).signed
        _check_root_version(file, root)
        check_root(root)
        check_resets_follow(before, root)
    check_expiry("root", root, now)
    return root


def _check_root_version(file: RoleVersion, root: Root) -> None:
    # The file name comes from the unsigned bundle, and phones ask for each version in turn.
    if root.version != file.version:
        raise TrustError(
            f"the bundle calls root {root.version} root {file.version}: submit it as it was signed."
        )


def _chain(
    files: Sequence[RoleVersion], now: datetime
) -> Iterator[tuple[RoleVersion, datetime | None]]:
    """Yield each version with the time at which it must be unexpired, None for all but the last."""
    for file in files:
        yield file, now if file is files[-1] else None


def _follow_role(
    file: RoleVersion,
    before: Targets | None,
    delegator: Root | Targets,
    now: datetime | None,
    logged: Mapping[str, Collection[int]],
) -> Targets:
    signed: Targets = verify_role(file.role, file.data, delegator, now).signed
    expected = 1 if before is None else before.version + 1
    burned = logged.get(file.role, ())
    is_next = expected <= signed.version and all(
        version in burned for version in range(expected, signed.version)
    )
    if signed.version != file.version or not is_next:
        raise TrustError(f"{file.role} {signed.version} was submitted; {expected} comes next.")
    return signed

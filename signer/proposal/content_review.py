"""Says in words what a new version of `tables` or `content` changes about its packs.

The entries do not travel with a proposal; `content review` holds a pack's folder against it.
"""

from collections.abc import Iterator

from msgspec import UNSET
from tuf.api.metadata import Targets

from server.core.content.index import Index, Pack, decode_index, targets_of
from server.core.content.kinds import KINDS
from signer.moment import show_moment
from signer.proposal.release_review import quote


def describe_packs(role: str, old: Targets | None, new: Targets) -> tuple[list[str], list[str]]:
    """Return the changes between two versions of a role of packs, and what to be warned of."""
    before = Index((), {}) if old is None else decode_index(role, old)
    after = decode_index(role, new)
    changes: list[str] = []
    warnings: list[str] = []
    for kind, pack in after.packs.items():
        known = before.packs.get(kind)
        if known is None or known.version != pack.version:
            changes += _describe_new(kind, known, pack, old, new)
            warnings.append(
                f"The entries of {kind} {pack.version} are not in the proposal: hold its folder"
                " against it with `content review`, which says what joins, changes and leaves."
            )
        else:
            changes += _describe_dates(kind, known, pack)
        if pack.withdrawn and (known is None or not known.withdrawn):
            warnings.append(
                f"Nobody can use {kind} {pack.version} again once it is withdrawn; phones go back"
                " to the pack before it, if they have one."
            )
    if before.hosts != after.hosts:
        changes.append(f"Links may lead to {', '.join(after.hosts) or 'no host'} from then on.")
    return changes, warnings


def _describe_new(
    kind: str, known: Pack | None, pack: Pack, old: Targets | None, new: Targets
) -> Iterator[str]:
    had = {} if old is None else targets_of(kind, old.targets)
    listed = targets_of(kind, new.targets)
    fresh = [path for path in listed if path not in had or had[path] != listed[path]]
    octets = sum(listed[path].length for path in fresh if path.endswith(".xz"))
    parts = sum(path.endswith(".xz") for path in fresh)
    verb = "Adds the pack" if known is None else f"Replaces {kind} {known.version} by"
    title = pack.title.get("en") or next(iter(pack.title.values()))
    yield (
        f"{verb} {kind} {pack.version}, {quote(title)}:"
        f" {parts} of {KINDS[kind].parts} parts change, {octets} octets that every phone fetches."
    )
    for source in pack.sources:
        yield (
            f"Source of {kind} {pack.version}: {quote(source.name)} {quote(source.version)},"
            f" licence {quote(source.licence)}."
        )
    yield f"{kind} {pack.version} is used from {show_moment(pack.start)}{_until(pack)}."
    yield _describe_rollout(kind, pack)
    if pictures := [path for path in fresh if path.endswith(".jpg")]:
        yield f"Pictures that are new or changed: {', '.join(pictures)}."
    if pack.withdrawn:
        yield f"{kind} {pack.version} is withdrawn already."


def _describe_dates(kind: str, old: Pack, new: Pack) -> Iterator[str]:
    if new.withdrawn and not old.withdrawn:
        yield f"Withdraws {kind} {new.version}, for ever."
    if new.end != old.end:
        yield f"{kind} {new.version} is used{_until(new) or ' without end'} from then on."
    if new.rollout != old.rollout:
        yield _describe_rollout(kind, new)


def _until(pack: Pack) -> str:
    return "" if pack.end is UNSET else f" until {show_moment(pack.end)}"


def _describe_rollout(kind: str, pack: Pack) -> str:
    steps = [f"{permille / 10:g}% from {show_moment(at)}" for at, permille in pack.rollout]
    return f"{kind} {pack.version} is used by {', then '.join(steps)} of all phones."

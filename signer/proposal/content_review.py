"""Says in words what a new version of `tables` or `content` changes about its packs.

The entries do not travel with a proposal; `content review` holds a pack's folder against it.
"""

from collections.abc import Iterator

from msgspec import UNSET
from tuf.api.metadata import Targets

from hening.times import show_second
from server.core.content.index import Index, Pack, decode_index, targets_of
from server.core.content.kinds import KINDS
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
            warnings += _warn_of_gap(kind, known, pack)
        else:
            changes += _describe_dates(kind, known, pack)
        for version in _newly_withdrawn(known, pack):
            changes.append(f"Withdraws {kind} {version}, for ever.")
            warnings.append(
                f"Nobody can use {kind} {version} again once it is withdrawn; phones go back"
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
    yield f"{kind} {pack.version} is used from {show_second(pack.start)}{_until(pack)}."
    yield _describe_rollout(kind, pack)
    if pictures := [path for path in fresh if path.endswith(".jpg")]:
        yield f"Pictures that are new or changed: {', '.join(pictures)}."


def _describe_dates(kind: str, old: Pack, new: Pack) -> Iterator[str]:
    if new.end != old.end:
        yield f"{kind} {new.version} is used{_until(new) or ' without end'} from then on."
    if new.rollout != old.rollout:
        yield _describe_rollout(kind, new)


def _warn_of_gap(kind: str, known: Pack | None, pack: Pack) -> Iterator[str]:
    """Yield a sentence where phones outside the share may be left without a pack."""
    shares = (max(at, pack.start) for at, permille in pack.rollout if permille == 1000)
    full = next(shares, None)
    outside = f"a phone outside the share of {kind} {pack.version}"
    if full is not None and full <= pack.start:
        return
    if known is None:
        yield f"There is no pack of {kind} yet: {outside} has none until its place has come."
    elif known.version in pack.withdrawn:
        yield (
            f"{kind} {known.version} is withdrawn: {outside} uses one from before that, if it has"
            " one, and otherwise none until its place has come."
        )
    elif known.end is not UNSET and (full is None or known.end < full):
        yield (
            f"{kind} {known.version} ends on {show_second(known.end)}: from then on {outside} uses"
            " one from before that, if it has one, and otherwise none until its place has come."
        )


def _newly_withdrawn(known: Pack | None, pack: Pack) -> list[int]:
    before = set() if known is None else set(known.withdrawn)
    return [version for version in pack.withdrawn if version not in before]


def _until(pack: Pack) -> str:
    return "" if pack.end is UNSET else f" until {show_second(pack.end)}"


def _describe_rollout(kind: str, pack: Pack) -> str:
    steps = [f"{permille / 10:g}% from {show_second(at)}" for at, permille in pack.rollout]
    return f"{kind} {pack.version} is used by {', then '.join(steps)} of all phones."

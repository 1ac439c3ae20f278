"""Describes in sentences the changes of one role: releases, packs, or root itself."""

import json
from collections.abc import Iterator, Mapping

from msgspec import UNSET, to_builtins
from tuf.api.metadata import Root, TargetFile, Targets

from hening.times import show_second
from server.core.content.index import Index, Pack, decode_index, targets_of
from server.core.content.invisible import escape_invisible
from server.core.content.kinds import KINDS
from server.core.limits import (
    MAX_LIFETIME_DAYS,
    Lifetimes,
    Reset,
    decode_lifetimes,
    decode_resets,
    reset_number,
)
from server.core.release import NO_FLOOR, Release, decode_floor, decode_releases
from signer.release.checks import broken_upgrade_paths


def describe_releases(old: Targets | None, new: Targets) -> tuple[list[str], list[str]]:
    """Return the changes between two versions of a model's role, and the warnings."""
    before: Mapping[str, Release] = {} if old is None else decode_releases(old)
    after = decode_releases(new)
    changes: list[str] = []
    for path, release in after.items():
        target = new.targets[path]
        if path not in before:
            changes += _describe_new(path, release, target)
        elif old is not None:
            changes += _describe_changes(path, before[path], release)
            if _others(old.targets[path]) != _others(target):
                changes.append(f"Changes members of {path} that this version cannot describe.")
    if removed := [path for path in before if path not in after]:
        final = "" if old is None or reset_number(new) != reset_number(old) else ", permanently"
        changes.append(f"No longer lists {', '.join(removed)}{final}.")
    floor, was = decode_floor(new), NO_FLOOR if old is None else decode_floor(old)
    if floor.counter != was.counter:
        changes.append(f"No build below counter {floor.counter} can be listed from then on.")
    if floor.time != was.time:
        moment = show_second(floor.time)
        changes.append(f"No build made up to {moment} can be newly listed from then on.")
    return changes, list(_warn(before, after))


def _describe_changes(path: str, before: Release, after: Release) -> Iterator[str]:
    if after.withdrawn and not before.withdrawn:
        served = _describe_drain(after)
        yield f"Withdraws {path} (counter {after.counter}), permanently{served}."
    elif after.drain_until != before.drain_until:
        yield f"Changes how long {path} is served{_describe_drain(after)}."
    for locale in sorted({*after.changelog, *before.changelog}):
        if locale not in after.changelog:
            yield f"Removes the changelog of {path} in {locale}."
        elif after.changelog[locale] != before.changelog.get(locale):
            yield f"Changelog of {path} in {locale}: {quote(after.changelog[locale])}"


def _describe_drain(release: Release) -> str:
    if release.drain_until is UNSET:
        return ""
    return f"; its bytes are served until {show_second(release.drain_until)}"


def _describe_new(path: str, release: Release, target: TargetFile) -> Iterator[str]:
    source = f" from {', '.join(release.source_builds)}" if release.source_builds else ""
    limit = f", for phones at counter {release.min_counter} or above" if release.min_counter else ""
    unknown = sorted({*target.custom} - set(Release.__struct_fields__))
    unknown += sorted({*target.unrecognized_fields} - {"custom"})
    others = f", with members that are unknown here: {', '.join(unknown)}" if unknown else ""
    state = f", withdrawn already{_describe_drain(release)}" if release.withdrawn else ""
    yield (
        f"Adds {path}: {release.type} update{source} to {release.fingerprint}, counter"
        f" {release.counter}, built {show_second(release.post_timestamp)}, patch level"
        f" {release.security_patch_level}, SDK {release.sdk_level}{limit}{state};"
        f" {target.length} bytes, sha256 {target.hashes['sha256']}{others}."
    )
    for locale, text in sorted(release.changelog.items()):
        yield f"Changelog of {path} in {locale}: {quote(text)}"


def quote(text: str) -> str:
    """Return a text on one line, in quotes, with escapes for unprintable characters."""
    return f"\u201c{escape_invisible(text)}\u201d"


def _others(target: TargetFile) -> str:
    """Return the members of a target that no sentence describes, as comparable text."""
    reviewed = {"withdrawn", "drain_until", "changelog"}
    custom = {name: value for name, value in target.custom.items() if name not in reviewed}
    more = {name: value for name, value in target.unrecognized_fields.items() if name != "custom"}
    return json.dumps([target.length, target.hashes, custom, more], sort_keys=True)


def _warn(before: Mapping[str, Release], after: Mapping[str, Release]) -> Iterator[str]:
    for path, release in after.items():
        if release.withdrawn and path in before and not before[path].withdrawn:
            yield f"{path} cannot be offered again once it is withdrawn."
    if before and not after:
        yield "The model lists no release any more: its phones are offered nothing."
    if after and all(release.withdrawn for release in after.values()):
        yield "Every release of the model is withdrawn."
    known = broken_upgrade_paths(before)
    for sentence in broken_upgrade_paths(after):
        if sentence not in known:
            yield f"From then on {sentence}"


def describe_packs(role: str, old: Targets | None, new: Targets) -> tuple[list[str], list[str]]:
    """Return the changes between two versions of a role of packs, and the warnings."""
    before = Index((), {}) if old is None else decode_index(role, old)
    after = decode_index(role, new)
    changes: list[str] = []
    warnings: list[str] = []
    for kind, pack in after.packs.items():
        known = before.packs.get(kind)
        if known is None or known.version != pack.version:
            changes += _describe_new_packs(kind, known, pack, old, new)
            warnings.append(
                f"The entries of {kind} {pack.version} are not in the proposal: compare its folder"
                " with it by `content review`, which lists added, changed and removed entries."
            )
            warnings += _warn_of_gap(kind, known, pack)
        else:
            changes += _describe_dates(kind, known, pack)
        for version in _newly_withdrawn(known, pack):
            changes.append(f"Withdraws {kind} {version}, permanently.")
            warnings.append(
                f"{kind} {version} cannot be used again once it is withdrawn; phones go back"
                " to the pack before it, if they have one."
            )
    if before.hosts != after.hosts:
        changes.append(f"Links may lead to {', '.join(after.hosts) or 'no host'} from then on.")
    return changes, warnings


def _describe_new_packs(
    kind: str, known: Pack | None, pack: Pack, old: Targets | None, new: Targets
) -> Iterator[str]:
    had = {} if old is None else targets_of(kind, old.targets)
    listed = targets_of(kind, new.targets)
    fresh = [path for path in listed if path not in had or had[path] != listed[path]]
    data = sum(listed[path].length for path in fresh if path.endswith(".xz"))
    parts = sum(path.endswith(".xz") for path in fresh)
    verb = "Adds the pack" if known is None else f"Replaces {kind} {known.version} by"
    title = pack.title.get("en") or next(iter(pack.title.values()))
    yield (
        f"{verb} {kind} {pack.version}, {quote(title)}:"
        f" {parts} of {KINDS[kind].parts} parts change, {data} bytes that every phone fetches."
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
    """Yield a sentence if phones outside the share may be left without a pack."""
    shares = (max(at, pack.start) for at, permille in pack.rollout if permille == 1000)
    full = next(shares, None)
    outside = f"a phone outside the share of {kind} {pack.version}"
    if full is not None and full <= pack.start:
        return
    if known is None:
        yield f"There is no pack of {kind} yet: {outside} has none until the rollout reaches it."
    elif known.version in pack.withdrawn:
        yield (
            f"{kind} {known.version} is withdrawn: {outside} uses an earlier one, if it has one,"
            " and otherwise none until the rollout reaches it."
        )
    elif known.end is not UNSET and (full is None or known.end < full):
        yield (
            f"{kind} {known.version} ends on {show_second(known.end)}: from then on {outside} uses"
            " an earlier one, if it has one, and otherwise none until the rollout reaches it."
        )


def _newly_withdrawn(known: Pack | None, pack: Pack) -> list[int]:
    before = set() if known is None else set(known.withdrawn)
    return [version for version in pack.withdrawn if version not in before]


def _until(pack: Pack) -> str:
    return "" if pack.end is UNSET else f" until {show_second(pack.end)}"


def _describe_rollout(kind: str, pack: Pack) -> str:
    steps = [
        f"{permille / 10:g}% of phones from {show_second(at)}" for at, permille in pack.rollout
    ]
    return f"{kind} {pack.version} is used by {', then '.join(steps)}."


_KINDS = {
    "codenames": "a model's role",
    "content": "content",
    "tables": "tables",
    "targets": "targets",
}


def describe_root(old: Root | None, new: Root) -> Iterator[str]:
    """Yield a sentence for each change from one root to the next, or each fact of a first one."""
    before, after = None if old is None else _log_key(old), _log_key(new)
    if before != after:
        verb = "Names" if before is None else "Replaces the log key: names"
        yield f"{verb} {after} as the key of the transparency log."
    was = to_builtins(Lifetimes() if old is None else decode_lifetimes(old))
    for kind, days in to_builtins(decode_lifetimes(new)).items():
        if days != was[kind]:
            unlimited = " (the maximum)" if days == MAX_LIFETIME_DAYS else ""
            yield f"A new version of {_KINDS[kind]} may be valid for {days} days{unlimited}."
    known = {} if old is None else decode_resets(old)
    for role, reset in sorted(decode_resets(new).items()):
        if reset != known.get(role):
            yield _describe_reset(role, reset)


def describe_followed_reset(old: Targets | None, new: Targets) -> Iterator[str]:
    """Yield a sentence on the reset that a role follows, if the old version did not follow it."""
    number = reset_number(new)
    if number != (0 if old is None else reset_number(old)):
        yield f"Follows reset {number} of root: what it forbids is removed, as if never signed."


def _describe_reset(role: str, reset: Reset) -> str:
    if reset.counter is None or reset.time is None:
        return f"Resets {role} ({reset.number}): phones forget all packs that they hold of it."
    return (
        f"Resets {role} ({reset.number}): no counter above {reset.counter} and no time after"
        f" {show_second(reset.time)} is valid any more, on the server and on phones."
    )


def _log_key(root: Root) -> str:
    key: str = root.unrecognized_fields["custom"]["log"]
    return key

"""Says in words what a new version of a codename role changes about its releases."""

import json
from collections.abc import Iterator, Mapping

from msgspec import UNSET
from tuf.api.metadata import TargetFile, Targets

from hening.times import show_second
from server.core.content.invisible import escape_invisible
from server.core.floor import NO_FLOOR, decode_floor
from server.core.release import Release, decode_releases
from server.core.resets import reset_number
from signer.release.ways import broken_ways


def describe_releases(old: Targets | None, new: Targets) -> tuple[list[str], list[str]]:
    """Return the changes between two versions of a model's role, and what to be warned of."""
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
                changes.append(f"Changes members of {path} that have no words here.")
    if gone := [path for path in before if path not in after]:
        final = "" if old is None or reset_number(new) != reset_number(old) else ", for ever"
        changes.append(f"No longer lists {', '.join(gone)}{final}.")
    floor, was = decode_floor(new), NO_FLOOR if old is None else decode_floor(old)
    if floor.counter != was.counter:
        changes.append(f"No build below counter {floor.counter} can be listed from then on.")
    if floor.time != was.time:
        moment = show_second(floor.time)
        changes.append(f"No build made up to {moment} can be listed anew from then on.")
    return changes, list(_warn(before, after))


def _describe_changes(path: str, before: Release, after: Release) -> Iterator[str]:
    if after.withdrawn and not before.withdrawn:
        served = _describe_drain(after)
        yield f"Withdraws {path} (counter {after.counter}), for ever{served}."
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
    return f"; its octets are served until {show_second(release.drain_until)}"


def _describe_new(path: str, release: Release, target: TargetFile) -> Iterator[str]:
    source = f" from {', '.join(release.source_builds)}" if release.source_builds else ""
    stone = f", for phones at counter {release.min_counter} or above" if release.min_counter else ""
    unknown = sorted({*target.custom} - set(Release.__struct_fields__))
    unknown += sorted({*target.unrecognized_fields} - {"custom"})
    others = f", with members that have no words here: {', '.join(unknown)}" if unknown else ""
    state = f", withdrawn already{_describe_drain(release)}" if release.withdrawn else ""
    yield (
        f"Adds {path}: {release.type} update{source} to {release.fingerprint}, counter"
        f" {release.counter}, built {show_second(release.post_timestamp)}, patch level"
        f" {release.security_patch_level}, SDK {release.sdk_level}{stone}{state};"
        f" {target.length} octets, sha256 {target.hashes['sha256']}{others}."
    )
    for locale, text in sorted(release.changelog.items()):
        yield f"Changelog of {path} in {locale}: {quote(text)}"


def quote(text: str) -> str:
    """Return a text on one line, with quotes, and with escapes for what does not print."""
    return f"\u201c{escape_invisible(text)}\u201d"


def _others(target: TargetFile) -> str:
    """Return the members of a target that no sentence speaks of, as text that can be compared."""
    told = {"withdrawn", "drain_until", "changelog"}
    custom = {name: value for name, value in target.custom.items() if name not in told}
    more = {name: value for name, value in target.unrecognized_fields.items() if name != "custom"}
    return json.dumps([target.length, target.hashes, custom, more], sort_keys=True)


def _warn(before: Mapping[str, Release], after: Mapping[str, Release]) -> Iterator[str]:
    for path, release in after.items():
        if release.withdrawn and path in before and not before[path].withdrawn:
            yield f"Nobody can offer {path} again once it is withdrawn."
    if before and not after:
        yield "The model lists nothing any more: its phones are offered nothing."
    if after and all(release.withdrawn for release in after.values()):
        yield "Every release of the model is withdrawn."
    known = broken_ways(before)
    for sentence in broken_ways(after):
        if sentence not in known:
            yield f"From then on {sentence}"

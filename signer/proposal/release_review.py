"""Says in words what a new version of a codename role changes about its releases."""

from collections.abc import Iterator, Mapping

from msgspec import UNSET
from tuf.api.metadata import TargetFile, Targets

from server.core.floor import decode_floor
from server.core.release import Release, decode_releases
from signer.moment import show_moment
from signer.release.ways import broken_ways


def describe_releases(old: Targets | None, new: Targets) -> tuple[list[str], list[str]]:
    """Return the changes between two versions of a model's role, and what to be warned of."""
    before: Mapping[str, Release] = {} if old is None else decode_releases(old)
    after = decode_releases(new)
    changes = []
    for path, release in after.items():
        if path not in before:
            changes.append(_describe_new(path, release, new.targets[path]))
        elif changed := _describe_change(path, before[path], release):
            changes.append(changed)
        elif old is not None and old.targets[path] != new.targets[path]:
            changes.append(f"Changes other members of {path}.")
    if gone := [path for path in before if path not in after]:
        changes.append(f"No longer lists {', '.join(gone)}, for ever.")
    floor, was = decode_floor(new).counter, 0 if old is None else decode_floor(old).counter
    if floor != was:
        changes.append(f"No build below counter {floor} can be listed from then on.")
    return changes, list(_warn(before, after))


def _describe_change(path: str, before: Release, after: Release) -> str:
    if after.withdrawn and not before.withdrawn:
        served = _describe_drain(after)
        return f"Withdraws {path} (counter {after.counter}), for ever{served}."
    if after.drain_until != before.drain_until:
        return f"Changes how long {path} is served{_describe_drain(after)}."
    locales = [
        locale
        for locale in sorted({*after.changelog, *before.changelog})
        if after.changelog.get(locale) != before.changelog.get(locale)
    ]
    return f"Changes the changelog of {path} in {', '.join(locales)}." if locales else ""


def _describe_drain(release: Release) -> str:
    if release.drain_until is UNSET:
        return ""
    return f"; its octets are served until {show_moment(release.drain_until)}"


def _describe_new(path: str, release: Release, target: TargetFile) -> str:
    source = f" from {', '.join(release.source_builds)}" if release.source_builds else ""
    stone = f", for phones at counter {release.min_counter} or above" if release.min_counter else ""
    unknown = sorted({*target.custom} - set(Release.__struct_fields__))
    unknown += sorted({*target.unrecognized_fields} - {"custom"})
    others = f", with members that have no words here: {', '.join(unknown)}" if unknown else ""
    return (
        f"Adds {path}: {release.type} update{source} to {release.fingerprint}, counter"
        f" {release.counter}, patch level {release.security_patch_level}{stone}; {target.length}"
        f" octets, sha256 {target.hashes['sha256']}{others}."
    )


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

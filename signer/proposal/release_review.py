"""Says in words what a new version of a codename role changes about its releases."""

from collections.abc import Mapping

from tuf.api.metadata import Targets

from server.core.release import Release, decode_releases


def describe_releases(old: Targets | None, new: Targets) -> tuple[list[str], list[str]]:
    """Return the changes between two versions of a model's role, and what to be warned of."""
    before: Mapping[str, Release] = {} if old is None else decode_releases(old)
    after = decode_releases(new)
    changes, warnings = [], []
    for path, release in after.items():
        if path not in before:
            changes.append(_describe_new(path, release, new.targets[path].length))
        elif release.withdrawn and not before[path].withdrawn:
            changes.append(f"Withdraws {path} (counter {release.counter}), for ever.")
            warnings.append(f"Nobody can offer {path} again once it is withdrawn.")
        elif release.changelog != before[path].changelog:
            locales = ", ".join(
                locale
                for locale in sorted({*release.changelog, *before[path].changelog})
                if release.changelog.get(locale) != before[path].changelog.get(locale)
            )
            changes.append(f"Changes the changelog of {path} in {locales}.")
        elif old is not None and old.targets[path] != new.targets[path]:
            changes.append(f"Changes other members of {path}.")
    gone = [path for path in before if path not in after]
    if gone:
        changes.append(f"No longer lists {', '.join(gone)}, for ever.")
    if before and not after:
        warnings.append("The model lists nothing any more: its phones are offered nothing.")
    if new.targets and all(release.withdrawn for release in after.values()):
        warnings.append("Every release of the model is withdrawn.")
    return changes, warnings


def _describe_new(path: str, release: Release, length: int) -> str:
    source = f" from {', '.join(release.source_builds)}" if release.source_builds else ""
    stone = f", for phones at counter {release.min_counter} or above" if release.min_counter else ""
    return (
        f"Adds {path}: {release.type} update{source} to {release.fingerprint}, counter"
        f" {release.counter}, patch level {release.security_patch_level}, {length} octets{stone}."
    )

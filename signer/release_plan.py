"""Decides what the next version of a codename role lists.

Source: docs/FORMATS.md section 3. Pure: from the current version, inspected packages and an order.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tuf.api.metadata import TargetFile, Targets

from server.core.names import Channel, decode_channel, decode_release_path
from server.core.profile import check_delegated
from server.core.release import Release, decode_releases
from server.core.succession import check_succession
from signer.errors import ReleaseRefusal, refusing
from signer.ota.facts import OtaFacts
from signer.package_checks import check_package
from signer.release_checks import check_full, check_order, check_region

_PAYLOAD_PROPERTIES = ("FILE_HASH", "FILE_SIZE", "METADATA_HASH", "METADATA_SIZE")


@dataclass(frozen=True, slots=True)
class ReleaseOrder:
    """What the engineer asks for; None and an empty changelog leave it to the build's past.

    By default a build that is listed already keeps its counter, its stepping stone in the same
    channel and its changelog; a new build gets the next counter, no stepping stone and no text.
    """

    channel: Channel
    counter: int | None = None
    min_counter: int | None = None
    changelog: Mapping[str, str] = field(default_factory=dict)


def plan_release(
    order: ReleaseOrder, packages: Sequence[OtaFacts], current: Targets, expires: datetime
) -> Targets:
    """Return the next version of the role with `packages`, all of one build, listed in it.

    Targets that are there already stay as they are, unknown members included. Raises
    ReleaseRefusal for a package that must not be offered and for one that contradicts what is
    listed. The result equals `current` but for version and expiry when everything is listed.
    """
    with refusing(ReleaseRefusal):
        decode_channel(str(order.channel))
        releases = decode_releases(current)
    _check_packages(order, packages)
    fingerprint = packages[0].fingerprint
    counter = _choose_counter(order, fingerprint, releases)
    for facts in packages:
        check_region(facts, order.channel, releases)
        check_order(facts, counter, releases)
    min_counter = _choose_min_counter(order, counter, releases)
    changelog = dict(order.changelog) or _known_changelog(counter, releases)
    targets = dict(current.targets)
    for facts in packages:
        path = f"{order.channel}/{facts.path.name}"
        known = targets.get(path)
        members = _members(facts, counter, min_counter)
        if known is None:
            custom = {**members, "changelog": changelog, "withdrawn": False}
        else:
            _check_same_bytes(path, known, facts)
            custom = {**known.custom, **members}
            if order.changelog:
                custom["changelog"] = changelog
        # Sorted, so that the same release has the same octets whatever the order of arguments.
        custom = {name: custom[name] for name in sorted(custom)}
        kept = {} if known is None else known.unrecognized_fields
        targets[path] = TargetFile(
            facts.length, {"sha256": facts.sha256}, path, {**kept, "custom": custom}
        )
    planned = Targets(
        version=current.version + 1,
        expires=expires,
        targets={path: targets[path] for path in sorted(targets)},
        unrecognized_fields=current.unrecognized_fields,
    )
    with refusing(ReleaseRefusal):
        check_delegated(order.channel.codename, planned)
        check_full(order.channel, counter, decode_releases(planned))
        check_succession(current, planned)
    return planned


def _check_packages(order: ReleaseOrder, packages: Sequence[OtaFacts]) -> None:
    if not packages:
        raise ReleaseRefusal("No package is given; name at least one zip.")
    names = [facts.path.name for facts in packages]
    for number, facts in enumerate(packages):
        others = [other for other in packages[:number] if other.path.name == facts.path.name]
        if any(other.sha256 == facts.sha256 for other in others):
            raise ReleaseRefusal(f"{facts.path.name} is named twice; name each package once.")
        if others:
            raise ReleaseRefusal(
                f"Two packages have the file name {facts.path.name}; rename one of them."
            )
    for facts in packages:
        check_package(facts, order.channel.codename)
        if facts.fingerprint != packages[0].fingerprint:
            raise ReleaseRefusal(
                f"{facts.path.name} leads to another build than {names[0]};"
                " sign the packages of each build in a run of their own."
            )


def _choose_counter(order: ReleaseOrder, fingerprint: str, releases: Mapping[str, Release]) -> int:
    known = {release.fingerprint: release.counter for release in releases.values()}
    highest = max(known.values(), default=0)
    if order.counter is None:
        return known.get(fingerprint, highest + 1)
    if known.get(fingerprint, order.counter) != order.counter:
        raise ReleaseRefusal(
            f"This build has counter {known[fingerprint]} already; leave --counter away."
        )
    if fingerprint not in known and order.counter <= highest:
        raise ReleaseRefusal(
            f"Counter {order.counter} is not above {highest}, the highest so far;"
            " leave --counter away."
        )
    return order.counter


def _choose_min_counter(order: ReleaseOrder, counter: int, releases: Mapping[str, Release]) -> int:
    # A pointer's step has one stepping stone for all packages of a build (FORMATS.md section 4).
    same_step = [
        release.min_counter
        for path, release in releases.items()
        if release.counter == counter and decode_release_path(path)[0] == order.channel
    ]
    if order.min_counter is None:
        return same_step[0] if same_step else 0
    if same_step and same_step[0] != order.min_counter:
        raise ReleaseRefusal(
            f"This build's packages in {order.channel} have min_counter {same_step[0]},"
            " and all must have the same; leave --min-counter away."
        )
    return order.min_counter


def _known_changelog(counter: int, releases: Mapping[str, Release]) -> dict[str, str]:
    texts = [release.changelog for release in releases.values() if release.counter == counter]
    return next((dict(text) for text in texts if text), {})


def _check_same_bytes(path: str, known: TargetFile, facts: OtaFacts) -> None:
    if (known.length, known.hashes) != (facts.length, {"sha256": facts.sha256}):
        raise ReleaseRefusal(
            f"{path} is listed already with other bytes, and a path keeps its bytes for ever;"
            " give the package another file name."
        )


def _members(facts: OtaFacts, counter: int, min_counter: int) -> dict[str, Any]:
    return {
        "counter": counter,
        "fingerprint": facts.fingerprint,
        "incremental": facts.incremental,
        "min_counter": min_counter,
        "payload_properties": {
            name: facts.payload_properties.get(name, "") for name in _PAYLOAD_PROPERTIES
        },
        "post_timestamp": facts.post_timestamp,
        "property_files": facts.streaming_property_files,
        "schema": 1,
        "sdk_level": facts.sdk_level,
        "security_patch_level": facts.security_patch_level,
        "source_builds": list(facts.source_builds),
        "type": facts.type,
    }

"""Plans the next version of a codename role and its targets, or reports every reason to refuse it.

Source: docs/FORMATS.md section 3. Pure functions of the current version, packages and a request.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from tuf.api.metadata import TargetFile, Targets

from server.core.names import decode_channel, decode_release_path
from server.core.pointer import (
    check_full,
    check_incrementals,
    check_upgrade_path,
    choose_min_counter,
)
from server.core.release import Release, decode_floor, decode_release, decode_releases
from server.core.release_texts import changelog_texts
from server.core.role_edit import make_target, next_role
from signer.errors import ReleaseRefusal, refusing
from signer.ota.errors import show_name
from signer.ota.summary import OtaFacts
from signer.release.questions import (
    Checklist,
    JudgedRelease,
    judge_against_releases,
    judge_alone,
    judge_changelogs,
    judge_omitted_partitions,
    judge_partitions,
    judge_proofs,
    judge_sources,
)
from signer.release.request import (
    Extras,
    ReleaseRequest,
    choose_counter,
    known_changelog,
    next_counter,
)
from signer.release.sources import FullPackages, check_sources_used

_PAYLOAD_PROPERTIES = ("FILE_HASH", "FILE_SIZE", "METADATA_HASH", "METADATA_SIZE")


def plan_release(
    request: ReleaseRequest,
    packages: Sequence[OtaFacts],
    current: Targets,
    now: datetime,
    expires: datetime,
    sources: Sequence[OtaFacts] = (),
) -> Targets:
    """Return the next version of the role with `packages`, all of one build, listed in it.

    Existing targets stay unchanged, unknown members included. Raises ReleaseRefusal with the first
    refusal of `judge_release`. If everything is listed already, the result equals `current` except
    for version and expiry.
    """
    judged = judge_release(request, packages, current, now, expires, sources)
    if judged.planned is None:
        raise ReleaseRefusal(judged.refusals[0])
    return judged.planned


def judge_release(
    request: ReleaseRequest,
    packages: Sequence[OtaFacts],
    current: Targets,
    now: datetime,
    expires: datetime,
    sources: Sequence[OtaFacts] = (),
) -> JudgedRelease:
    """Answer every question about `packages` as the next release of their model.

    `sources` are full packages to compare bytes with: of builds that incrementals start from, or of
    the same build if it is listed already. Raises ReleaseRefusal when no package is given, or the
    role or the channel cannot be decoded.
    """
    if not packages:
        raise ReleaseRefusal("No package is given; name at least one zip.")
    with refusing(ReleaseRefusal):
        decode_channel(str(request.channel))
        releases = decode_releases(current)
        floor = decode_floor(current)
    channel, fingerprint, checklist = request.channel, packages[0].fingerprint, Checklist()
    checklist.ask(channel, "names each package once", _check_names, packages)
    for facts in packages:
        judge_alone(checklist, request, facts, packages[0], now)
    listed_files = FullPackages(channel.codename, current, releases, request.factory_builds)
    before = listed_files.before(fingerprint, channel.region)
    judge_partitions(checklist, packages, sources, listed_files)
    chosen = checklist.ask(
        channel, "has a counter that grows", choose_counter, request, fingerprint, releases, floor
    )
    counter = chosen or next_counter(fingerprint, releases, floor)
    for facts in packages:
        judge_against_releases(checklist, request, facts, counter, releases, floor)
        judge_sources(checklist, request, facts, counter, releases, sources, listed_files)
        judge_omitted_partitions(checklist, request.proofs, facts, sources, listed_files, before)
    judge_proofs(checklist, request.proofs, channel, packages, sources, listed_files)
    if sources:
        checklist.ask(
            channel, "needs every --source", check_sources_used, packages, sources, before
        )
    stone = checklist.ask(
        channel, "has one stepping stone", choose_min_counter, channel, request.min_counter,
        counter, releases,
    )  # fmt: skip
    targets, listed = _list_packages(
        checklist, request, packages, current, releases, counter, stone or 0
    )
    for question, check in (
        ("has one full package", check_full),
        ("has at most two incrementals", check_incrementals),
        ("can be reached by every build", check_upgrade_path),
    ):
        checklist.ask(channel, question, check, channel, counter, listed)
    planned = None
    if checklist.is_clean:  # otherwise `next_role` would repeat a refusal in other words
        planned = checklist.ask(
            channel, "follows what is signed", next_role, channel.codename, current, targets,
            expires,
        )  # fmt: skip
    return JudgedRelease(tuple(checklist.verdicts), counter, listed, planned)


def _list_packages(
    checklist: Checklist,
    request: ReleaseRequest,
    packages: Sequence[OtaFacts],
    current: Targets,
    releases: Mapping[str, Release],
    counter: int,
    stone: int,
) -> tuple[dict[str, TargetFile], dict[str, Release]]:
    """Return the role's targets including `packages`, and the releases that can be decoded."""
    targets, listed = dict(current.targets), dict(releases)
    changelog = dict(request.changelog) or known_changelog(counter, releases)
    paths = {f"{request.channel}/{facts.shown}": facts for facts in packages}
    for path, facts in paths.items():
        known = targets.get(path)
        if known is not None:
            question = "keeps the bytes of its path"
            checklist.ask(facts.path.name, question, _check_same_bytes, path, known, facts)
        targets[path] = make_release(request, facts, counter, stone, changelog, known)
    judge_changelogs(
        checklist, request, [targets[path] for path in paths], changelog_texts(current)
    )
    for path, facts in paths.items():
        release = checklist.ask(facts.path.name, "can be listed", _read, path, targets[path])
        if release is not None:
            listed[path] = release
    return targets, listed


def _check_names(packages: Sequence[OtaFacts]) -> None:
    for number, facts in enumerate(packages):
        others = [other for other in packages[:number] if other.path.name == facts.path.name]
        if any(other.sha256 == facts.sha256 for other in others):
            raise ReleaseRefusal(f"{facts.shown} is named twice; name each package once.")
        if others:
            raise ReleaseRefusal(
                f"Two packages have the file name {facts.shown}; rename one of them."
            )


def _check_same_bytes(path: str, known: TargetFile, facts: OtaFacts) -> None:
    if (known.length, known.hashes) != (facts.length, {"sha256": facts.sha256}):
        raise ReleaseRefusal(
            f"{show_name(path)} is listed already with other bytes, and the bytes of a path never"
            " change; give the package another file name."
        )


def _read(path: str, target: TargetFile) -> Release:
    decode_release_path(path)
    return decode_release(path, target.custom)


def make_release(
    request: ReleaseRequest,
    facts: OtaFacts,
    counter: int,
    min_counter: int,
    changelog: Mapping[str, str],
    known: TargetFile | None,
) -> TargetFile:
    """Return the target that lists a package; members of `known`, the existing target, are kept."""
    path = f"{request.channel}/{facts.path.name}"
    members = _members(facts, counter, min_counter) | _dialects(request, facts)
    if known is None:
        custom = {**members, "changelog": dict(changelog), "withdrawn": False}
    else:
        custom = {**known.custom, **members}
        if request.changelog:
            custom["changelog"] = dict(changelog)
    return make_target(path, facts.length, facts.sha256, custom, known)


def _dialects(request: ReleaseRequest, facts: OtaFacts) -> dict[str, Any]:
    """Return the members for dialects of existing Updater apps that the request asks for."""
    labels, extras = dict(request.labels), request.extras.get(facts.path.name, Extras())
    if extras.md5:
        labels["md5"] = extras.md5
    if facts.property_files and any(name.startswith("lineage.") for name in labels):
        labels.setdefault("lineage.property_files", facts.property_files)
    members: dict[str, Any] = {"labels": labels} if labels else {}
    if extras.csig is not None:
        members["csig"] = {"length": extras.csig.length, "sha256": extras.csig.sha256}
    return members


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

"""Writes the target of a release (docs/FORMATS.md section 3) from the facts of its package."""

from collections.abc import Mapping
from typing import Any

from tuf.api.metadata import TargetFile

from server.core.role_edit import make_target
from signer.ota.summary import OtaFacts
from signer.release.request import Extras, ReleaseRequest

_PAYLOAD_PROPERTIES = ("FILE_HASH", "FILE_SIZE", "METADATA_HASH", "METADATA_SIZE")


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
    """Return what the dialects of existing Updater apps need, where the request asks for it."""
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

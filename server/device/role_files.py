"""What is served of one role: its versions, and the targets that the current one lists."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import msgspec
from tuf.api.metadata import Targets

from server.core.names import hashed_target_path, is_codename, is_latest
from server.device.documents import Document


class Package(msgspec.Struct, frozen=True, gc=False):
    """A target on disk: sha256 and length in octets."""

    sha256: str
    length: int

    @property
    def etag(self) -> str:
        """The entity tag: the content hash, the same on every replica."""
        return f'"sha256-{self.sha256}"'


@dataclass(frozen=True, slots=True)
class RoleFiles:
    """The current version's number, all that is served of the role by path, and its targets by URL.

    `drains` gives for each withdrawn target until when it is served, in epoch seconds, and `absent`
    are those whose blob is not there. `is_whole` tells whether every blob that is not withdrawn was
    there and no version was left out as altered; where it was not so, the role is looked at again.
    """

    version: int
    documents: Mapping[str, Document]
    packages: Mapping[str, Package]
    drains: Mapping[str, int]
    absent: frozenset[str]
    is_whole: bool

    def over(self, signed_at: datetime) -> set[str]:
        """Return the URLs of targets that are withdrawn and have drained by `signed_at`.

        The signed time stands for a clock, so that every node answers alike.
        """
        time = signed_at.timestamp()
        return {url for url, until in self.drains.items() if time >= until}


def blob_hashes(role: str, targets: Targets) -> set[str]:
    """Return the sha256 of each blob without which a target of `role` cannot be served."""
    if is_latest(role):
        return set()
    return {target.hashes["sha256"] for target in targets.targets.values()}


def make_role_files(
    role: str,
    version: int,
    documents: Mapping[str, Document],
    targets: Targets,
    lengths: Mapping[str, int] | None,
) -> RoleFiles:
    """Return what is served of `role`, whose current version is `version` and lists `targets`.

    `lengths` are those of the blobs that are there; None where nobody can tell, and every target is
    taken to be there.
    """
    packages: dict[str, Package] = {}
    drains: dict[str, int] = {}
    absent: set[str] = set()
    for path, target in targets.targets.items():
        sha256 = target.hashes["sha256"]
        url = f"/targets/{hashed_target_path(path, sha256)}"
        custom = target.unrecognized_fields.get("custom")
        if is_codename(role) and isinstance(custom, dict) and custom.get("withdrawn"):
            drains[url] = custom.get("drain_until", 0)
        is_empty = is_latest(role)  # a pointer's target is the empty file, which no store holds
        if is_empty or lengths is None or lengths.get(sha256) == target.length:
            packages[url] = Package(sha256, target.length)
        else:
            absent.add(url)
    is_whole = lengths is not None and absent <= drains.keys()
    return RoleFiles(version, documents, packages, drains, frozenset(absent), is_whole)

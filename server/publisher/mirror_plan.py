"""What a static mirror holds, in the order in which it may be seen. Pure.

Every file comes before what points to it: packages, the log, role versions, roots, and the
timestamp last. Beside each file that the device plane also has compressed lies that form as
`NAME.gz`, octet by octet the same.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from server.device.documents import Document
from server.device.role_files import Package
from server.device.snapshot import Snapshot
from server.publisher.errors import PublishError

TIMESTAMP = "metadata/timestamp.json"
CHECKPOINT = "log/checkpoint"
_ROOT = re.compile(r"metadata/([1-9][0-9]*)\.root\.json")


@dataclass(frozen=True, slots=True)
class MirrorFile:
    """One file of a mirror: its path below the mirror's folder, and octets or a package."""

    path: str
    content: bytes | Package


@dataclass(frozen=True, slots=True)
class MirrorPlan:
    """Files before the swap, in order; files of the swap, in order; the newest root's version."""

    before: tuple[MirrorFile, ...]
    swap: tuple[MirrorFile, ...]
    root: int

    @property
    def paths(self) -> frozenset[str]:
        """The paths of all files."""
        return frozenset(file.path for file in (*self.before, *self.swap))


def plan_mirror(snapshot: Snapshot) -> MirrorPlan:
    """Return what a mirror of `snapshot` holds.

    Raises PublishError where nothing is published, or a package is listed and not there.
    """
    if not snapshot.documents:
        raise PublishError("nothing is published yet: submit the ceremony's bundle first.")
    if snapshot.missing:
        raise PublishError(f"the blob of {min(snapshot.missing)} is not there: submit it again.")
    documents = {url.removeprefix("/"): each for url, each in snapshot.documents.items()}
    packages = [
        MirrorFile(url.removeprefix("/"), package)
        for url, package in sorted(snapshot.packages.items())
    ]
    log, roles, roots = [], [], {}
    for path in sorted(documents.keys() - {TIMESTAMP, CHECKPOINT}):
        match = _ROOT.fullmatch(path)
        if match:
            roots[int(match[1])] = path
        elif path.startswith("log/"):
            log.append(path)
        else:
            roles.append(path)
    before = [*log, CHECKPOINT, *roles]
    swap = [*(roots[version] for version in sorted(roots)), TIMESTAMP]
    return MirrorPlan(
        before=(*packages, *(file for path in before for file in _files(path, documents[path]))),
        swap=tuple(file for path in swap for file in _files(path, documents[path])),
        root=max(roots),
    )


def plan_removal(
    present: Collection[str], plan: MirrorPlan, former: Collection[str], withdrawn: Collection[str]
) -> list[str]:
    """Return which of the files that are there are removed, once the timestamp is swapped.

    What the mirror held until then stays until the next time: somebody may be in the middle of
    reading it. What is withdrawn and has drained does not.
    """
    gone = {url.removeprefix("/") for url in withdrawn}
    kept = plan.paths | (set(former) - gone)
    return sorted(set(present) - kept)


def _files(path: str, document: Document) -> Iterator[MirrorFile]:
    if document.compressed is not None:
        yield MirrorFile(f"{path}.gz", document.compressed.body)
    yield MirrorFile(path, document.identity.body)

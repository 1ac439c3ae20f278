"""The one publication in progress, on disk: complete under its final name, or absent.

staging/publication/plan.json            its files, versions and hashes, canonical JSON
staging/publication/metadata/N.ROLE.json
staging/publication/timestamp.json
"""

import hashlib
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Literal

import msgspec

from server.core.encodings import decode_canonical_json, encode_canonical_json
from server.core.errors import FormatError
from server.core.metadata import TIMESTAMP_LIMIT, decode_timestamp, metadata_limit
from server.core.names import check_role, metadata_name
from server.core.release import Positive
from server.publisher.plan import Publication
from server.publisher.verify import RoleVersion
from server.storage.bounded import TEMPORARY, read_bounded
from server.storage.durable import sync_folder, write_durable
from server.storage.tree import Tree, write_roots

PLAN_LIMIT = 1_048_576


class _PlannedFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    role: str
    sha256: str
    version: Positive


class _Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    files: list[_PlannedFile]
    schema: Literal[1]
    snapshot: Positive
    timestamp: str


def write_staged(temporary: Path, publication: Publication) -> None:
    """Write a publication under a temporary name, as `staged_temporary` gives it.

    A crash leaves only the temporary folder, which the next publication or start removes.
    """
    for file in publication.files:
        name = metadata_name(file.role, file.version)
        write_durable(temporary / "metadata" / name, file.data)
    write_durable(temporary / "timestamp.json", publication.timestamp)
    plan = _Plan(
        files=[
            _PlannedFile(file.role, hashlib.sha256(file.data).hexdigest(), file.version)
            for file in publication.files
        ],
        schema=1,
        snapshot=publication.snapshot_version,
        timestamp=hashlib.sha256(publication.timestamp).hexdigest(),
    )
    write_durable(temporary / "plan.json", encode_canonical_json(msgspec.to_builtins(plan)))
    sync_folder(temporary)


def staged_temporary(folder: Path, fence: int) -> Path:
    """Return the name under which the holder of a lease writes a publication and audits it."""
    return folder.with_name(f"{TEMPORARY}{folder.name}-{fence}")


def discard_unaccepted(folder: Path) -> None:
    """Remove publications that were written and not accepted, by any holder of the lease."""
    for leftover in folder.parent.glob(f"{TEMPORARY}{folder.name}-*"):
        shutil.rmtree(leftover, ignore_errors=True)


def load_staged(folder: Path) -> Publication | None:
    """Read the accepted publication, or None when there is none."""
    if not folder.exists():
        return None
    value = decode_canonical_json(read_bounded(folder / "plan.json", PLAN_LIMIT), limit=PLAN_LIMIT)
    try:
        plan = msgspec.convert(value, _Plan)
    except msgspec.ValidationError as error:
        raise FormatError(f"the staged plan.json is malformed: {error}.") from error
    files = []
    for entry in plan.files:
        check_role(entry.role)
        path = folder / "metadata" / metadata_name(entry.role, entry.version)
        data = read_bounded(path, metadata_limit(entry.role))
        _check_hash(data, entry.sha256, path.name)
        files.append(RoleVersion(entry.role, entry.version, data))
    timestamp = read_bounded(folder / "timestamp.json", TIMESTAMP_LIMIT)
    _check_hash(timestamp, plan.timestamp, "timestamp.json")
    return Publication(tuple(files), timestamp, plan.snapshot)


def showing_files(tree: Tree, publication: Publication, now: int) -> Iterator[Callable[[], object]]:
    """Yield functions that make a publication's immutable files visible, a new root last.

    A new root is not served before the timestamp that comes with it.
    """
    yield partial(_note_roots, tree, publication, now)
    for file in sorted(publication.files, key=lambda file: file.role == "root"):
        name = metadata_name(file.role, file.version)
        yield partial(tree.create, f"metadata/{name}", file.data)


def _note_roots(tree: Tree, publication: Publication, now: int) -> None:
    """Record with which timestamp the new roots become public, and when.

    After a crash, the recorded time is that of the restart.
    """
    roots = [file.version for file in publication.files if file.role == "root"]
    if roots:
        timestamp = decode_timestamp(publication.timestamp).signed.version
        newest = max(roots)
        write_roots(tree, before=min(roots) - 1, newest=newest, timestamp=timestamp, time=now)


def _check_hash(data: bytes, sha256: str, name: str) -> None:
    if hashlib.sha256(data).hexdigest() != sha256:
        raise FormatError(
            f"the staged {name} is damaged: remove the staging folder and submit again."
        )

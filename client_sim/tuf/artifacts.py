"""Finds a target through all delegations, verifies its length and hashes, and stores it."""

from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote

from tuf.api.exceptions import LengthOrHashMismatchError
from tuf.api.metadata import TargetFile, Targets

from client_sim.device.errors import DownloadError, StorageError, TrustError
from client_sim.device.records import RecordStore, replace_file
from client_sim.device.refresh import Source, update_role
from client_sim.device.workflow import Workflow
from client_sim.tuf.web import Web

# Most roles that one look-up visits besides the top-level targets (TUF 5.6.7.1).
_MAX_DELEGATIONS: Final = 32
_PREFIX: Final = "role."
_SUFFIX: Final = ".json"


def find_target(source: Source, workflow: Workflow, path: str) -> TargetFile:
    """Return a target; visits delegated roles in order of trust: pre-order, depth first.

    Each role is visited once, also in cycles; a terminating delegation ends the search after it.
    Raises TrustError, also if no role lists the target, and TransportError.
    """
    ahead = [("targets", "root")]
    visited: set[str] = set()
    while ahead and len(visited) <= _MAX_DELEGATIONS:
        name, delegator = ahead.pop()
        if name in visited:
            continue
        visited.add(name)
        role = _load_role(source, workflow, name, delegator)
        found = role.targets.get(path)
        if found is not None:
            return found
        if role.delegations is None:
            continue
        children: list[tuple[str, str]] = []
        for child, terminating in role.delegations.get_roles_for_target(path):
            children.append((child, name))
            if terminating:
                ahead = []
                break
        ahead += reversed(children)
    raise TrustError(f"No role lists the target {path!a}.")


def load_target(web: Web, target: TargetFile, directory: Path, *, has_hash_names: bool) -> Path:
    """Return the file of a target in `directory`, fetching it unless it exists and verifies.

    Raises DownloadError, TransportError and StorageError; then no file has changed.
    """
    file = directory / quote(target.path, safe="")
    try:
        if file.is_file() and _is_target(target, file.read_bytes()):
            return file
        directory.mkdir(parents=True, exist_ok=True)
        data = web.get(_find_name(target, has_hash_names=has_hash_names), target.length)
        if not _is_target(target, data):
            raise DownloadError(f"What was served as {target.path!a} is not what was signed.")
        replace_file(file, data)
    except OSError as error:
        raise StorageError(f"The target cannot be stored: {error}.") from error
    return file


def _load_role(source: Source, workflow: Workflow, name: str, delegator: str) -> Targets:
    if name == "targets":
        return workflow.verified.targets
    role = workflow.verified.role(name, delegator)
    if role is None:
        update_role(source, workflow, name, delegator)
        role = workflow.verified.role(name, delegator)
        assert role is not None
    return role


def _find_name(target: TargetFile, *, has_hash_names: bool) -> str:
    folder, slash, name = target.path.rpartition("/")
    if not has_hash_names:
        return target.path
    return f"{folder}{slash}{next(iter(target.hashes.values()))}.{name}"


def _is_target(target: TargetFile, data: bytes) -> bool:
    try:
        target.verify_length_and_hashes(data)
    except LengthOrHashMismatchError:
        return False
    return True


class MetadataFolder(RecordStore):
    """The state of a `Workflow`, `role.NAME`, as `NAME.json`."""

    def _path(self, name: str) -> Path | None:
        return self._directory / (quote(name.removeprefix(_PREFIX), safe="") + _SUFFIX)

    def _name(self, file: str) -> str | None:
        return _PREFIX + unquote(file.removesuffix(_SUFFIX)) if file.endswith(_SUFFIX) else None

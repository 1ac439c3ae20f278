"""Step 3 of publishing: a TUF client that shares no code with us reads the staged tree from disk.

python-tuf's `Updater` starts from the pinned root, as a new phone would.
"""

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

from tuf.api.exceptions import DownloadError, DownloadHTTPError, RepositoryError
from tuf.api.metadata import Metadata, Targets
from tuf.ngclient import FetcherInterface, Updater

from server.core.errors import TrustError
from server.core.latest import assign_pointers, delegated_roles, list_parts, pointer_role
from server.core.metadata import decode_root
from server.core.names import is_latest, role_pattern
from server.core.pointer import Pointer
from server.publisher.published import Trust
from server.storage.errors import StorageError

Read = Callable[[str], bytes | None]
"""Returns a metadata file by name, as it will be public; None if there is none."""


class _TreeFetcher(FetcherInterface):
    """Answers requests with the files that `read` returns.

    A root above `newest_root` is not found: an interrupted publication wrote it, but it is not
    visible yet.
    """

    def __init__(self, read: Read, newest_root: int) -> None:
        self._read = read
        self._hidden = f"{newest_root + 1}.root.json"

    def _fetch(self, url: str) -> Iterator[bytes]:
        name = url.rpartition("/")[2]
        data = None if name == self._hidden else self._read(name)
        if data is None:
            raise DownloadHTTPError(f"{name} is not there", 404)
        return iter([data])


@dataclass(frozen=True, slots=True)
class AuditPlan:
    """The targets that an audit looks up and compares.

    Every target of `paths` must be found. `probes` are looked up too, but need not exist: the role
    that would list them must be valid. `listed` holds the exact targets of each role, all of which
    must be delegated to that role. It applies to the roles that the client loads.
    """

    paths: Sequence[str]
    probes: Sequence[str] = ()
    listed: Mapping[str, Collection[str]] = field(default_factory=dict)


def plan_audit(
    written: AbstractSet[str],
    trust: Trust,
    former: Mapping[str, Pointer],
    pointers: Mapping[str, Pointer],
) -> AuditPlan:
    """Return what to check if the roles `written` are new and `pointers` replace `former`.

    For a new role these are one target and the complete list; for `latest`, the changed pointers
    and the list. To look up each of a thousand targets would take the client through all
    delegations each time. Other roles were audited when they were new. A new root or targets may
    name other keys for every role, so then each role must be valid and lead to one target.
    """
    roles = {name for name in trust.roles if not is_latest(name)}
    is_full = not {"root", "targets"}.isdisjoint(written)
    names = sorted(roles if is_full else roles & written)
    paths = [next(iter(trust.roles[name].targets)) for name in names if trust.roles[name].targets]
    listed: dict[str, Collection[str]] = {
        name: trust.roles[name].targets.keys() for name in sorted(roles)
    }
    delegated = delegated_roles(trust.targets)
    assigned = assign_pointers(pointers, delegated)
    if is_full:
        paths += [part[0] for part in assigned.values() if part]
    paths += [path for path in sorted(pointers) if pointers[path] != former.get(path)]
    parts = list_parts(delegated)
    roles |= set(parts)
    probed = sorted(roles if is_full else roles & written)
    return AuditPlan(paths, [_probe(name, len(parts)) for name in probed], {**listed, **assigned})


def _probe(role: str, parts: int) -> str:
    """Return a path that a client looks up in `role`, whether or not it exists."""
    if not is_latest(role):
        return role_pattern(role).replace("*", "-")
    paths = (f"latest/-/-/{number}" for number in count())
    return next(path for path in paths if pointer_role(path, parts) == role)


def audit_staged(
    staged: Path,
    public: Path,
    trusted_root: bytes,
    newest_root: int,
    plan: AuditPlan,
    at: datetime | None = None,
) -> None:
    """Run `audit_files` on the public files, with the staged ones laid over them."""
    folders = (staged / "metadata", staged, public / "metadata")

    def read(name: str) -> bytes | None:
        found = next((folder / name for folder in folders if (folder / name).is_file()), None)
        return None if found is None else found.read_bytes()

    audit_files(read, trusted_root, newest_root, plan, at)


def audit_files(
    read: Read,
    trusted_root: bytes,
    newest_root: int,
    plan: AuditPlan,
    at: datetime | None = None,
) -> None:
    """Raise TrustError unless an independent client refreshes and finds what `plan` asks for.

    It must reach root `newest_root`, through every root in between. Expiry is checked at the time
    `at`, by default the wall clock's, which may have jumped. A StorageError of `read` passes
    through.
    """
    with TemporaryDirectory(prefix="hening-audit-") as folder:
        try:
            updater = Updater(
                folder,
                "audit:/metadata/",
                fetcher=_TreeFetcher(read, newest_root),
                bootstrap=trusted_root,
            )
            if at is not None:
                updater._trusted_set.reference_time = at  # noqa: SLF001 - it has no parameter
            updater.refresh()
            for path in plan.probes:
                updater.get_targetinfo(path)
            missing = [path for path in plan.paths if updater.get_targetinfo(path) is None]
            reached = decode_root((Path(folder) / "root.json").read_bytes()).signed.version
        except (RepositoryError, DownloadError) as error:
            if isinstance(error.__cause__, StorageError):  # the client wraps it
                raise error.__cause__ from None
            raise TrustError(f"the audit of the staged tree failed: {error}.") from error
        # The client saves the roles that it verified: compare the targets that they list.
        role_files = {role: Path(folder) / f"{role}.json" for role in plan.listed}
        found = {
            role: json.loads(path.read_bytes())["signed"]["targets"].keys()
            for role, path in role_files.items()
            if path.exists()
        }
        signed = Metadata[Targets].from_file(str(Path(folder) / "targets.json")).signed
        delegated = delegated_roles(signed)
    if reached != newest_root:
        raise TrustError(f"the audit reaches root {reached}, but root {newest_root} is expected.")
    if missing:
        raise TrustError(f"the audit does not find {missing[0]} in the staged tree.")
    for role, paths in found.items():
        if paths != set(plan.listed[role]):
            raise TrustError(f"the audit finds other targets in {role} than are to be published.")
        if not all(map(delegated[role].is_delegated_path, paths)):
            raise TrustError(f"the audit finds targets in {role} that are not delegated to it.")

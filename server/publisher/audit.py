"""Step 3 of publishing: a TUF client that shares no code with us reads the staged tree from disk.

python-tuf's `Updater` starts from the pinned root, as a phone fresh from the factory would.
"""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from tuf.api.exceptions import DownloadError, DownloadHTTPError, RepositoryError
from tuf.ngclient import FetcherInterface, Updater

from server.core.errors import TrustError
from server.core.metadata import decode_root
from server.core.names import role_pattern
from server.core.pointer import Pointer
from server.publisher.published import Trust


class _TreeFetcher(FetcherInterface):
    """Answers from the staged files laid over the public ones, as after the swap.

    A root above `newest_root` is on disk and not visible yet: a publication was interrupted.
    """

    def __init__(self, staged: Path, public: Path, newest_root: int) -> None:
        self._folders = (staged / "metadata", staged, public / "metadata")
        self._hidden = f"{newest_root + 1}.root.json"

    def _fetch(self, url: str) -> Iterator[bytes]:
        name = url.rpartition("/")[2]
        for folder in () if name == self._hidden else self._folders:
            if (folder / name).is_file():
                return iter([(folder / name).read_bytes()])
        raise DownloadHTTPError(f"{name} is not there", 404)


@dataclass(frozen=True, slots=True)
class AuditPlan:
    """What an audit asks for.

    Every target of `paths` must be found. `probes` are looked up too, but need not exist: the role
    that would list them must be sound. `pointers` are all that latest must list, None for whatever
    it lists.
    """

    paths: Sequence[str]
    probes: Sequence[str] = ()
    pointers: Collection[str] | None = None


def plan_audit(
    written: AbstractSet[str],
    trust: Trust,
    former: Mapping[str, Pointer],
    pointers: Mapping[str, Pointer],
) -> AuditPlan:
    """Return what to ask for after the roles `written` are new and `pointers` follow `former`.

    Of a role that is new, every target; of `latest`, the pointers that changed. What neither root
    nor targets nor the role itself can have changed was audited when it was new. New root or
    targets may name other keys for every role, so that each must be sound and lead to one target.
    """
    roles = trust.roles.keys() - {"latest"}
    everything = not {"root", "targets"}.isdisjoint(written)
    paths = [path for name in sorted(roles & written) for path in trust.roles[name].targets]
    if everything:
        others = (trust.roles[name].targets for name in sorted(roles - written))
        paths += [next(iter(targets)) for targets in others if targets]
        paths += sorted(pointers)[:1]
    paths += [path for path in sorted(pointers) if pointers[path] != former.get(path)]
    probed = trust.roles.keys() if everything else trust.roles.keys() & written
    return AuditPlan(
        paths, [role_pattern(name).replace("*", "-") for name in sorted(probed)], pointers.keys()
    )


def audit_staged(
    staged: Path,
    public: Path,
    trusted_root: bytes,
    newest_root: int,
    plan: AuditPlan,
    at: datetime | None = None,
) -> None:
    """Raise TrustError unless an independent client refreshes and finds what `plan` asks for.

    It must come to root `newest_root`, through every root in between. `at` is the time for which it
    judges what is expired; without it that is the wall clock's, which may have jumped.
    """
    with TemporaryDirectory(prefix="hening-audit-") as folder:
        try:
            updater = Updater(
                folder,
                "audit:/metadata/",
                fetcher=_TreeFetcher(staged, public, newest_root),
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
            raise TrustError(f"the audit of the staged tree failed: {error}.") from error
        # What the client has verified it keeps: whether that lists every pointer is read there.
        kept = Path(folder) / "latest.json"
        listed = json.loads(kept.read_bytes())["signed"]["targets"] if kept.exists() else None
    if reached != newest_root:
        raise TrustError(f"the audit comes to root {reached} and no further: {newest_root} is due.")
    if missing:
        raise TrustError(f"the audit does not find {missing[0]} in the staged tree.")
    if plan.pointers is not None and listed is not None and listed.keys() != set(plan.pointers):
        raise TrustError("the audit finds other pointers in latest than those to be published.")

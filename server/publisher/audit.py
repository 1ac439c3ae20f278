"""Step 3 of publishing: a TUF client that shares no code with us reads the staged tree from disk.

python-tuf's `Updater` starts from the pinned root, as a phone fresh from the factory would.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from tuf.api.exceptions import DownloadError, DownloadHTTPError, RepositoryError
from tuf.ngclient import FetcherInterface, Updater

from server.core.errors import TrustError
from server.core.metadata import decode_root


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


def audit_staged(
    staged: Path,
    public: Path,
    trusted_root: bytes,
    newest_root: int,
    paths: Iterable[str],
    probes: Iterable[str] = (),
) -> None:
    """Raise TrustError unless an independent client refreshes and finds every target of `paths`.

    It must come to root `newest_root`, through every root in between. `probes` are looked up too,
    but need not exist: the role that would list them must be sound.
    """
    with TemporaryDirectory(prefix="hening-audit-") as folder:
        try:
            updater = Updater(
                folder,
                "audit:/metadata/",
                fetcher=_TreeFetcher(staged, public, newest_root),
                bootstrap=trusted_root,
            )
            updater.refresh()
            for path in probes:
                updater.get_targetinfo(path)
            missing = [path for path in paths if updater.get_targetinfo(path) is None]
            reached = decode_root((Path(folder) / "root.json").read_bytes()).signed.version
        except (RepositoryError, DownloadError) as error:
            raise TrustError(f"the audit of the staged tree failed: {error}.") from error
    if reached != newest_root:
        raise TrustError(f"the audit comes to root {reached} and no further: {newest_root} is due.")
    if missing:
        raise TrustError(f"the audit does not find {missing[0]} in the staged tree.")

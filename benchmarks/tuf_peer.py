"""The peer of the publishing benchmarks: python-tuf's client verifies the roles of a phone."""

import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tuf.api.exceptions import DownloadHTTPError
from tuf.ngclient import FetcherInterface, Updater

from benchmarks.big_state import CHANNELS, BigState


class TreeFetcher(FetcherInterface):
    """A fetcher of python-tuf's client that reads from a public tree."""

    def __init__(self, public: Path) -> None:
        self._public = public

    def _fetch(self, url: str) -> Iterator[bytes]:
        path = self._public / url.removeprefix("tree:/")
        if not path.is_file():
            raise DownloadHTTPError(path.name, 404)
        return iter([path.read_bytes()])


def verify_alone(state: BigState, codename: str) -> float:
    """Return the seconds python-tuf takes to verify the roles that a phone of `codename` needs."""
    root = state.folder.trusted_root.read_bytes()
    with tempfile.TemporaryDirectory() as cache:
        begin = time.perf_counter()
        fetcher = TreeFetcher(state.folder.public)
        updater = Updater(cache, "tree:/metadata/", fetcher=fetcher, bootstrap=root)
        updater.refresh()
        channel = f"{codename}/{CHANNELS[0]}"
        for path in (f"latest/{channel}", f"{channel}/{codename}-1-full.zip"):
            if updater.get_targetinfo(path) is None:
                sys.exit(f"{path} is not there")
        return time.perf_counter() - begin

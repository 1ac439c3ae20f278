"""Where an audit reads from: anything that has the public tree of docs/FORMATS.md section 8."""

import stat
from pathlib import Path
from typing import Protocol

from signer.audit.errors import AnswerError, MirrorAwayError


class Mirror(Protocol):
    """A copy of the public tree."""

    def fetch(self, path: str, limit: int) -> bytes | None:
        """Return the octets at `path`, which starts with a slash; None where nothing is.

        Raises AnswerError for more than `limit` octets, MirrorAwayError where there is no answer.
        """


class FolderMirror:
    """A public tree on disk: a server's `public` folder, or a copy of one."""

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise MirrorAwayError(f"The mirror {folder} is not there; name a public folder.")
        self._folder = folder

    def fetch(self, path: str, limit: int) -> bytes | None:
        """Return the octets of a file below the folder."""
        file = self._folder / path.removeprefix("/")
        try:
            # Opening a pipe would wait for somebody to write into it.
            if not stat.S_ISREG(file.stat().st_mode):
                return None
            with file.open("rb") as opened:
                data = opened.read(limit + 1)
        except (FileNotFoundError, NotADirectoryError):
            return None
        if len(data) > limit:
            raise AnswerError(f"{path} is longer than the {limit} octets that it may have.")
        return data

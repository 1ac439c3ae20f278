"""The interface of where submitted bundles wait for a publisher, and the local folder.

Two stores implement it. In `LocalInbox` a bundle waits in `incoming/` of the one machine. In
`server.publisher.s3_inbox` it waits in S3, and each publisher's machine fetches what it lacks.
"""

import shutil
import time
from pathlib import Path
from typing import Protocol

from server.publisher.incoming import attempt_of, is_finished, list_submissions
from server.storage.durable import sync_folder
from server.storage.layout import StateFolder


class Inbox(Protocol):
    """Takes bundles from the API and gives them to publishers.

    Every method blocks, and may raise StorageError or OSError.
    """

    @property
    def look_seconds(self) -> float:
        """How long to wait between two questions whether a bundle still waits."""

    def hand_in(self, temporary: Path, submission_id: str, receipt: str) -> None:
        """Let the complete bundle in `temporary` wait, and remove that folder.

        `receipt`, 16 lower-case hex digits, tells it from the same bundle at another time. A crash
        leaves the folder.
        """

    def waits(self, submission_id: str) -> bool:
        """Answer whether a bundle waits for its result."""

    def waiting(self) -> list[str]:
        """Return the ids of the waiting bundles, the oldest first."""

    def fetch(self) -> list[str]:
        """Return the ids of the bundles to publish; their files are on this machine."""

    def folders(self) -> list[Path]:
        """Return the folders of all bundles, fetched now, and of those that are being received."""

    def path(self, submission_id: str) -> Path:
        """Return the folder of a fetched bundle, whether or not it is still there."""

    def attempt(self, submission_id: str) -> str:
        """Return what tells a fetched bundle from the same one at another time, "" if it is gone.

        It has 48 characters at most, and is the same on every machine.
        """

    def forget(self, submission_id: str, attempt: str) -> None:
        """Let a bundle wait no longer; its result is stored, and its folder removed."""


class LocalInbox:
    """The folder `incoming/`, into which signers of this machine write, too."""

    look_seconds = 0.05

    def __init__(self, folder: StateFolder) -> None:
        self._incoming = folder.incoming
        self._results = folder.results

    def hand_in(self, temporary: Path, submission_id: str, receipt: str) -> None:
        """Give it its final name, unless the same bundle waits already."""
        del receipt
        target = self._incoming / submission_id
        if target.is_dir():
            shutil.rmtree(temporary, ignore_errors=True)
        else:
            temporary.rename(target)
        sync_folder(self._incoming)

    def waits(self, submission_id: str) -> bool:
        """Answer whether it lies there without its result."""
        bundle = self.path(submission_id)
        return bundle.is_dir() and not is_finished(bundle, self._results)

    def waiting(self) -> list[str]:
        """List the folder."""
        return list_submissions(self._incoming)

    def fetch(self) -> list[str]:
        """List the folder."""
        return list_submissions(self._incoming)

    def folders(self) -> list[Path]:
        """Return what the folder holds."""
        return list(self._incoming.iterdir()) if self._incoming.is_dir() else []

    def path(self, submission_id: str) -> Path:
        """Return the bundle's folder."""
        return self._incoming / submission_id

    def attempt(self, submission_id: str) -> str:
        """Return inode and time of the bundle's folder."""
        try:
            return attempt_of(self.path(submission_id))
        except FileNotFoundError:  # another process published it
            return ""

    def forget(self, submission_id: str, attempt: str) -> None:
        """Do nothing: the folder was all of it."""


def open_inbox(folder: StateFolder) -> Inbox:
    """Return the inbox of a state folder: the folder's own, or the shared one."""
    if folder.tree is None:
        return LocalInbox(folder)
    from server.publisher.s3_inbox import S3Inbox  # noqa: PLC0415 - few servers share one

    return S3Inbox(folder.tree, folder, time.monotonic)


def count_waiting(folder: StateFolder) -> int:
    """Return how many bundles wait on this machine, those that were fetched included."""
    return len(list_submissions(folder.incoming)) + len(list(folder.fetched.glob("*/*")))

"""The inbox, where submitted bundles wait for a publisher: its interface, and the local folder.

Two stores implement it. In `LocalInbox` a bundle waits in `incoming/` of the one machine. In
`server.publisher.s3_inbox` it waits in S3, and each publisher's machine fetches a copy.
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
        """Seconds between two calls of `waits` for a bundle."""

    def hand_in(self, temporary: Path, submission_id: str, receipt: str) -> None:
        """Add the complete bundle in `temporary` to the inbox, and remove that folder.

        `receipt`, 16 lower-case hex digits, distinguishes it from other submissions of the same
        bundle. A crash leaves the folder.
        """

    def waits(self, submission_id: str) -> bool:
        """Answer whether a bundle waits for its result."""

    def waiting(self) -> list[str]:
        """Return the ids of the waiting bundles, the oldest first."""

    def fetch(self) -> list[str]:
        """Return the ids of the bundles to publish; their files are on this machine."""

    def folders(self) -> list[Path]:
        """Fetch all bundles; return their folders, and those of bundles still being received."""

    def path(self, submission_id: str) -> Path:
        """Return the folder of a fetched bundle, whether or not it is still there."""

    def attempt(self, submission_id: str) -> str:
        """Return an id of this submission of a fetched bundle, "" if the bundle is gone.

        Another submission of the same bundle has another id. An id has at most 48 characters, and
        is the same on every machine.
        """

    def forget(self, submission_id: str, attempt: str) -> None:
        """Remove a bundle from the inbox, after its result is stored and its folder removed."""


class LocalInbox:
    """The folder `incoming/`, into which signers on this machine also write."""

    look_seconds = 0.05

    def __init__(self, folder: StateFolder) -> None:
        self._incoming = folder.incoming
        self._results = folder.results

    def hand_in(self, temporary: Path, submission_id: str, receipt: str) -> None:
        """Move the bundle into `incoming/`, unless the same one waits there already."""
        del receipt
        target = self._incoming / submission_id
        if target.is_dir():
            shutil.rmtree(temporary, ignore_errors=True)
        else:
            temporary.rename(target)
        sync_folder(self._incoming)

    def waits(self, submission_id: str) -> bool:
        """Answer whether the bundle is in the folder and has no result."""
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
        """Do nothing: there was only the folder."""


def open_inbox(folder: StateFolder) -> Inbox:
    """Return the inbox of a state folder: the local one, or the shared one."""
    if folder.tree is None:
        return LocalInbox(folder)
    from server.publisher.s3_inbox import S3Inbox  # noqa: PLC0415 - few servers share one

    return S3Inbox(folder.tree, folder, time.monotonic)


def count_waiting(folder: StateFolder) -> int:
    """Return how many bundles wait on this machine, including fetched ones."""
    return len(list_submissions(folder.incoming)) + len(list(folder.fetched.glob("*/*")))

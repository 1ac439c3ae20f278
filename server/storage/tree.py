"""The public tree, and the one publication that was accepted and is not public yet.

`create` and `replace` make one file public, durably and whole; `accept` gives a staged publication
its name, from which on a restart completes it. Readers use the files in `folder`.

Two stores implement it. In `LocalTree` the folder is the tree. In `server.storage.s3_tree` the tree
is in S3, the folder is a copy, and `refresh` brings it up to date.
"""

from pathlib import Path
from typing import Protocol

from server.storage.durable import discard_folder, move_durable, write_durable, write_immutable
from server.storage.layout import StateFolder


class Tree(Protocol):
    """What publishing needs of either store. Paths are those below the public folder.

    Every method may raise StorageError or OSError; whatever was done before it is repeated.
    """

    @property
    def folder(self) -> Path:
        """The public folder: `metadata/` and `log/`."""

    def refresh(self) -> None:
        """Bring folder and staged publication to what is in the store. The lease's holder calls it.

        Local: nothing is done.
        """

    def follow(self) -> bool:
        """Bring the folder alone up to date, for those who only read; returns if it was not.

        Local: it always is.
        """

    def has(self, path: str) -> bool:
        """Answer whether a file is public."""

    def create(self, path: str, data: bytes) -> None:
        """Make a file public that never changes; one that exists must hold the same.

        Local: a crash leaves a temporary file. S3: nothing, or an object that the copy lacks.
        """

    def replace(self, path: str, data: bytes) -> None:
        """Write a file that changes, such as the timestamp.

        A crash leaves the former content or the new one. S3: the copy may have the former one.
        """

    def remove(self, path: str) -> None:
        """Remove a file; a missing one is no error."""

    def accept(self, temporary: Path, staging: Path, fence: int) -> None:
        """Give the audited publication in `temporary` the name `staging`.

        `fence` is that of the lease. Local: a crash leaves the one name or the other. S3: a crash
        leaves nothing, or an accepted publication that `refresh` copies.
        """

    def discard(self, staging: Path) -> None:
        """Remove the accepted publication: it is public now, or never can be.

        A crash leaves it to be removed again.
        """


class LocalTree:
    """The tree in a local folder: temporary file, fsync, rename."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def folder(self) -> Path:
        """The public folder."""
        return self._folder

    def refresh(self) -> None:
        """Do nothing: the folder is the tree."""

    def follow(self) -> bool:
        """Answer that the folder is the tree."""
        return False

    def has(self, path: str) -> bool:
        """Answer whether the file exists."""
        return (self._folder / path).exists()

    def create(self, path: str, data: bytes) -> None:
        """Write the file, or find the same bytes there."""
        write_immutable(self._folder / path, data)

    def replace(self, path: str, data: bytes) -> None:
        """Replace the file's content."""
        write_durable(self._folder / path, data)

    def remove(self, path: str) -> None:
        """Unlink the file."""
        (self._folder / path).unlink(missing_ok=True)

    def accept(self, temporary: Path, staging: Path, fence: int) -> None:
        """Rename the folder."""
        del fence
        move_durable(temporary, staging)

    def discard(self, staging: Path) -> None:
        """Rename the folder, then remove it."""
        discard_folder(staging)


def open_tree(folder: StateFolder) -> Tree:
    """Return the tree of a state folder: the folder's own, or a copy of the shared one."""
    if folder.tree is None:
        return LocalTree(folder.public)
    from server.storage.s3_tree import open_s3_tree  # noqa: PLC0415 - few states have it there

    return open_s3_tree(folder)

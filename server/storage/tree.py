"""The public tree, and the one publication that was accepted and is not public yet.

`create` and `replace` make one file public, durably and whole; `stage` keeps a publication where
each machine finds it, from which on a restart completes it. Readers use the files in `folder`.

Two stores implement it. In `LocalTree` the folder is the tree. In `server.storage.s3_tree` the tree
is in S3, the folder is a copy, and `refresh` brings it up to date.
"""

from pathlib import Path
from typing import Protocol

from server.storage.durable import write_durable, write_immutable
from server.storage.layout import StateFolder


class Tree(Protocol):
    """What publishing needs of either store. Paths are those below the public folder.

    Every method may raise StorageError or OSError; whatever was done before it is repeated.
    """

    @property
    def folder(self) -> Path:
        """The public folder: `metadata/` and `log/`."""

    @property
    def is_shared(self) -> bool:
        """Whether it is a store that may not answer, and that refuses what is written late.

        Local: it is not.
        """

    def refresh(self, fence: int) -> None:
        """Bring folder and staged publication to what is in the store.

        The lease's holder calls it first; `fence` is that of its lease. Who called it before on
        this machine can write no more. Local: nothing is done.
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

    def stage(self, temporary: Path, fence: int) -> None:
        """Keep the audited publication in `temporary` for other machines.

        `fence` is that of the lease. A crash leaves nothing, or what `refresh` copies. Local:
        nothing is done.
        """

    def unstage(self) -> None:
        """Remove what was staged: it is public now, or never can be.

        A crash leaves it to be removed again. Local: nothing is done.
        """


class LocalTree:
    """The tree in a local folder: temporary file, fsync, rename."""

    is_shared = False

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def folder(self) -> Path:
        """The public folder."""
        return self._folder

    def refresh(self, fence: int) -> None:
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

    def stage(self, temporary: Path, fence: int) -> None:
        """Do nothing: no other machine has this folder."""

    def unstage(self) -> None:
        """Do nothing."""


def open_tree(folder: StateFolder) -> Tree:
    """Return the tree of a state folder: the folder's own, or a copy of the shared one."""
    if folder.tree is None:
        return LocalTree(folder.public)
    from server.storage.s3_tree import open_s3_tree  # noqa: PLC0415 - few states have it there

    return open_s3_tree(folder)

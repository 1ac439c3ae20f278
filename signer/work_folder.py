"""The release engineers' working folder: the signed bytes of every role version.

    DIR/metadata/N.ROLE.json     one immutable version; the largest N of a role is its current one
    DIR/accepting/N.ROLE.json    versions that are added together and count like those in
                                 `metadata`; the next change moves files that a crash left here
    DIR/proposals/ID.json        a proposal that was signed in one command and not submitted yet
    DIR/proposals/ID.packages    the paths of its packages, one on each line

The signed bytes are kept as they are; a metadata file is never encoded a second time.
"""

import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from server.core.encodings import decode_decimal
from server.core.metadata import metadata_limit
from server.core.names import metadata_name
from signer.durable import (
    locked_folder,
    make_temporary_folder,
    move_folder,
    replace_file,
    sync_folder,
    write_new,
    write_synced,
)
from signer.errors import EnvironmentFailedError, WorkFolderError, refusing

_FILE = re.compile(r"([1-9][0-9]*)\.([a-z0-9][a-z0-9_-]{0,31})\.json")


class WorkFolder:
    """The signed metadata in `folder`; reads the disk at each call."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.metadata = folder / "metadata"
        self._accepting = folder / "accepting"

    def exists(self) -> bool:
        """Return whether a ceremony has made this folder."""
        return self.metadata.is_dir()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the folder, which is made if it does not exist.

        Raises EnvironmentFailedError when another process on this machine holds the lock.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with locked_folder(self.folder, f"changing {self.folder}"):
            yield

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Lock the repository for a change; an interrupted earlier change is completed first."""
        self._check_there()
        with self.locked():
            self._complete()
            yield

    def accept(self, files: Mapping[tuple[str, int], bytes]) -> None:
        """Add versions of several roles, all or none; call it while holding `changing`.

        `files` maps role and version to bytes. A crash leaves none of them, or a folder
        `accepting`, which counts like `metadata` as soon as it has its name. The next `changing`
        empties it.
        """
        for (role, version), data in files.items():
            self._check_same(role, version, data)
        temporary = make_temporary_folder(self._accepting)
        for (role, version), data in files.items():
            write_synced(temporary / metadata_name(role, version), data)
        move_folder(temporary, self._accepting)
        self._complete()

    def load_versions(self) -> dict[str, list[int]]:
        """Return the versions of each role, ascending.

        Names that start with a dot, which a crashed write may leave, are ignored. Raises
        WorkFolderError for any other name that is not a metadata file, and for a missing version.
        """
        self._check_there()
        found: dict[str, set[int]] = {}
        # Files move from the first folder to the second, so a move during this loop hides none.
        for folder in (self._accepting, self.metadata):
            for role, version in _list_versions(folder):
                found.setdefault(role, set()).add(version)
        versions = {role: sorted(numbers) for role, numbers in found.items()}
        for role, numbers in versions.items():
            if numbers != list(range(numbers[0], numbers[0] + len(numbers))):
                raise WorkFolderError(
                    f"A version of {role} is missing from {self.metadata}; restore it first."
                )
        return versions

    def load(self, role: str, version: int) -> bytes:
        """Return the bytes of one version; reads at most one byte more than its size limit."""
        for folder in (self._accepting, self.metadata):
            try:
                with (folder / metadata_name(role, version)).open("rb") as file:
                    return file.read(metadata_limit(role) + 1)
            except FileNotFoundError:
                continue
        raise WorkFolderError(f"{self.folder} has no version {version} of {role}.")

    def store(self, role: str, version: int, data: bytes) -> None:
        """Add one version; the same bytes again are accepted, other bytes are refused.

        A crash leaves the version absent, or present and whole.
        """
        if not self._check_same(role, version, data):
            write_new(self.metadata / metadata_name(role, version), data)

    def keep_proposal(self, identity: str, data: bytes, packages: Sequence[Path]) -> None:
        """Write a proposal file and the paths of its packages."""
        path = self._kept(identity)
        path.parent.mkdir(exist_ok=True)
        if packages:
            lines = "".join(f"{package.absolute()}\n" for package in packages)
            replace_file(self._packages(identity), lines.encode("utf-8", "surrogateescape"))
        if not path.exists():
            write_new(path, data)

    def load_kept_proposals(self) -> dict[str, bytes]:
        """Return the kept proposals by id: signed in one command, and perhaps not submitted."""
        folder = self.folder / "proposals"
        names = sorted(path.stem for path in folder.glob("[0-9a-f]*.json"))
        return {name: self._kept(name).read_bytes() for name in names}

    def load_kept_packages(self, identity: str) -> list[Path]:
        """Return the paths that the packages of a kept proposal had when it was signed."""
        path = self._packages(identity)
        lines = path.read_bytes().decode("utf-8", "surrogateescape") if path.exists() else ""
        return [Path(line) for line in lines.split("\n") if line]

    def forget_proposal(self, identity: str) -> None:
        """Remove a kept proposal after its submission."""
        self._kept(identity).unlink()
        self._packages(identity).unlink(missing_ok=True)

    def create(self, files: Mapping[str, bytes]) -> None:
        """Make the repository with the first version of every role, whole or not at all.

        `files` maps each role to its bytes. A crash before the rename leaves a temporary name.
        """
        temporary = make_temporary_folder(self.metadata)
        sync_folder(self.folder.parent)
        for role, data in files.items():
            write_synced(temporary / metadata_name(role, 1), data)
        move_folder(temporary, self.metadata)

    def _packages(self, identity: str) -> Path:
        return self.folder / "proposals" / f"{identity}.packages"

    def _kept(self, identity: str) -> Path:
        return self.folder / "proposals" / f"{identity}.json"

    def _check_there(self) -> None:
        if not self.folder.exists():
            raise EnvironmentFailedError(
                f"The working folder {self.folder} does not exist; make one with `ceremony init`"
                " first."
            )
        if not self.exists():
            raise WorkFolderError(
                f"{self.folder} is not a repository; make one with `ceremony init` first."
            )

    def _check_same(self, role: str, version: int, data: bytes) -> bool:
        """Return whether the version exists with these bytes; other bytes are refused."""
        path = self.metadata / metadata_name(role, version)
        if not path.exists():
            return False
        if path.read_bytes() != data:
            raise WorkFolderError(
                f"Version {version} of {role} already exists with other bytes;"
                " a signed version is never rewritten."
            )
        return True

    def _complete(self) -> None:
        if not self._accepting.is_dir():
            return
        for role, version in _list_versions(self._accepting):
            data = (self._accepting / metadata_name(role, version)).read_bytes()
            self.store(role, version, data)
        shutil.rmtree(self._accepting)
        sync_folder(self.folder)


def _list_versions(folder: Path) -> Iterator[tuple[str, int]]:
    if not folder.is_dir():
        return
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        match = _FILE.fullmatch(path.name)
        if match is None or path.is_symlink() or not path.is_file():
            raise WorkFolderError(f"{path} does not belong in a repository; move it elsewhere.")
        with refusing(WorkFolderError):
            yield match[2], decode_decimal(match[1])

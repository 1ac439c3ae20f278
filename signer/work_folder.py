"""The release engineers' working folder: every role version that was signed, as it was signed.

    DIR/metadata/N.ROLE.json     one immutable version; the largest N of a role is its current one

The octets are kept and handed on; nothing here encodes a metadata file a second time.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from server.core.encodings import decode_decimal
from server.core.metadata import metadata_limit
from server.core.names import metadata_name
from signer.durable import make_temporary_folder, move_folder, sync_folder, write_new, write_synced
from signer.errors import SurroundingsError, WorkFolderError, refusing

_FILE = re.compile(r"([1-9][0-9]*)\.([a-z0-9][a-z0-9_-]{0,31})\.json")


class WorkFolder:
    """The signed metadata in `folder`; reads the disk at each call."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.metadata = folder / "metadata"

    def exists(self) -> bool:
        """Answer whether a ceremony has made this folder."""
        return self.metadata.is_dir()

    def load_versions(self) -> dict[str, list[int]]:
        """Return the versions of each role, ascending.

        Names that start with a dot are passed over (what a crashed write left); any other name that
        is not a metadata file, and a gap between two versions, are refused.
        """
        if not self.folder.exists():
            raise SurroundingsError(
                f"The working folder {self.folder} is not there; make one with `ceremony init`"
                " first."
            )
        if not self.exists():
            raise WorkFolderError(
                f"{self.folder} is not a repository; make one with `ceremony init` first."
            )
        versions: dict[str, list[int]] = {}
        for path in sorted(self.metadata.iterdir()):
            if path.name.startswith("."):
                continue
            match = _FILE.fullmatch(path.name)
            if match is None or path.is_symlink() or not path.is_file():
                raise WorkFolderError(
                    f"{path} does not belong into a repository; move it elsewhere."
                )
            with refusing(WorkFolderError):
                versions.setdefault(match[2], []).append(decode_decimal(match[1]))
        for role, numbers in versions.items():
            numbers.sort()
            if numbers != list(range(numbers[0], numbers[0] + len(numbers))):
                raise WorkFolderError(
                    f"A version of {role} is missing from {self.metadata}; restore it first."
                )
        return versions

    def load(self, role: str, version: int) -> bytes:
        """Return the octets of one version; at most one more than its size limit are read."""
        path = self.metadata / metadata_name(role, version)
        if not path.is_file():
            raise WorkFolderError(f"{self.folder} has no version {version} of {role}.")
        with path.open("rb") as file:
            return file.read(metadata_limit(role) + 1)

    def store(self, role: str, version: int, data: bytes) -> None:
        """Add one version; the same octets again are fine, other ones are refused.

        A crash leaves the version absent, or present and whole.
        """
        path = self.metadata / metadata_name(role, version)
        if path.exists():
            if path.read_bytes() != data:
                raise WorkFolderError(
                    f"Version {version} of {role} is there already with other octets;"
                    " what was signed is never rewritten."
                )
            return
        write_new(path, data)

    def prepare(self, files: Mapping[str, bytes]) -> Path:
        """Write the first version of every role under a temporary name and return that folder.

        `files` gives octets by role. Nothing is visible before `reveal`.
        """
        temporary = make_temporary_folder(self.metadata)
        sync_folder(self.folder.parent)
        for role, data in files.items():
            write_synced(temporary / metadata_name(role, 1), data)
        return temporary

    def reveal(self, temporary: Path) -> None:
        """Make a prepared folder the repository's metadata."""
        move_folder(temporary, self.metadata)

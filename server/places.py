"""Default folders of a user: from a variable, or from `hening.toml`.

    # hening.toml. Each path is taken from the folder that this file is in. All are optional.
    state = "server"  # --state of hening-server; --out of hening-signer is its folder `incoming`
    repo = "repo"     # --repo of hening-signer
    keys = "keys"     # --keys of hening-signer

An option takes precedence over a variable, and a variable over the file. The file is searched for
in the working folder and then in each folder above it, on one file system. It says where keys are
and where signed releases go, so a file that another user can write is an error and is not skipped.
"""

import errno
import os
import shlex
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

FILE: Final = "hening.toml"
VARIABLES: Final = {"state": "HENING_STATE", "repo": "HENING_REPO", "keys": "HENING_KEYS"}
"""Environment variables by the key of the file."""
LIMIT: Final = 16_384  # bytes of the file: far more than three paths need
_OTHERS: Final = stat.S_IWGRP | stat.S_IWOTH


class PlacesError(Exception):
    """The `hening.toml` that applies here cannot be used; the message names it."""


@dataclass(frozen=True, slots=True)
class Place:
    """A folder, and its source: a variable or the path of a file."""

    path: Path
    source: str


class Places:
    """The folders of the user with the id `user` whose working folder is `folder`.

    The file is searched for at most once, when a folder has no variable.
    """

    def __init__(self, environment: Mapping[str, str], folder: Path, user: int) -> None:
        self._environment = environment
        self._folder = folder
        self._user = user

    def find(self, name: str) -> Place | None:
        """Return the folder for the option `--NAME` (state, repo, keys or out), or None.

        Raises PlacesError.
        """
        if name == "out":
            state = self.find("state")
            return None if state is None else Place(state.path / "incoming", state.source)
        if value := self._environment.get(VARIABLES[name]):
            return Place(Path(value), VARIABLES[name])
        return self._from_file.get(name)

    @cached_property
    def _from_file(self) -> dict[str, Place]:
        file = find_file(self._folder)
        if file is None:
            return {}
        paths = decode_places(load_trusted_file(file, self._user), file)
        return {
            name: Place(_shorten(file.parent / path, self._folder), str(file))
            for name, path in paths.items()
        }


def find_file(folder: Path) -> Path | None:
    """Return the nearest `hening.toml` in `folder` or above it, on the same file system."""
    try:
        border = folder.stat().st_dev
        for each in (folder, *folder.parents):
            if each.stat().st_dev != border:
                return None
            if os.path.lexists(each / FILE):
                return each / FILE
    except PermissionError:  # a file there could not be read either
        pass
    return None


def load_trusted_file(file: Path, user: int) -> bytes:
    """Return the bytes of a file that only root and `user` can have written; raises PlacesError."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        why = f"it cannot be read ({error.strerror}): find out who put it there"
        if error.errno == errno.ELOOP:
            why = "it is a symbolic link: put the file itself there"
        raise PlacesError(_refuse(file, why)) from error
    try:
        _check_trusted(os.fstat(descriptor), file, user)  # the file that is read, not the path
        with os.fdopen(descriptor, "rb", closefd=False) as opened:
            return opened.read(LIMIT + 1)
    finally:
        os.close(descriptor)


def _check_trusted(found: os.stat_result, file: Path, user: int) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise PlacesError(_refuse(file, "it is not a regular file: remove it"))
    if found.st_uid not in {0, user}:
        why = f"it belongs to another user (uid {found.st_uid}): work as that user, or remove it"
        raise PlacesError(_refuse(file, why))
    if found.st_mode & _OTHERS:
        mode, name = f"{stat.S_IMODE(found.st_mode):04o}", shlex.quote(str(file))
        why = f"others can write it (mode {mode}): read it, then run `chmod go-w {name}`"
        raise PlacesError(_refuse(file, why))


def decode_places(data: bytes, file: Path) -> dict[str, str]:
    """Return the paths by key in the bytes of `file`; raises PlacesError."""
    if len(data) > LIMIT:
        raise PlacesError(_refuse(file, f"it has more than {LIMIT} bytes: shorten it"))
    try:
        values = tomllib.loads(data.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise PlacesError(_refuse(file, f"it is not TOML ({error}): correct it")) from error
    for name, value in values.items():
        if name not in VARIABLES:
            keys = ", ".join(VARIABLES)
            raise PlacesError(_refuse(file, f"it has the key {name[:40]!r}: its keys are {keys}"))
        if not isinstance(value, str) or not value or not value.isprintable():
            raise PlacesError(_refuse(file, f"{name} is not the path of a folder: correct it"))
    return values


def _refuse(file: Path, why: str) -> str:
    return f"{file} is not used, because {why}; or give every folder as an option."


def _shorten(path: Path, folder: Path) -> Path:
    """Return `path` relative to `folder` if it is below it, else unchanged."""
    return path.relative_to(folder) if path.is_relative_to(folder) else path

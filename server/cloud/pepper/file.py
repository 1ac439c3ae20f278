"""The pepper's file, which is never a part of a back-up of the cloud's folder.

    pepper HEX
    salts HEX
    earlier HEX     for each pepper before this one, oldest first: the key by which it hashed names
    next HEX        while a rotation lasts: the pepper that takes the place of this one

Which of two peppers counts during a rotation is written in the database (`storage.models.Site`).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from server.cloud.secrets import PEPPER_BYTES, Secrets, derive_name_key
from server.core.errors import FormatError
from server.storage.bounded import read_bounded
from server.storage.durable import is_private, write_durable
from server.storage.errors import StorageError

_LIMIT = 65_536
_FORM = re.compile(
    rb"pepper ([0-9a-f]{64})\nsalts ([0-9a-f]{64})\n((?:earlier [0-9a-f]{64}\n)*)"
    rb"(?:next ([0-9a-f]{64})\n)?"
)


@dataclass(frozen=True, slots=True)
class Pepper:
    """What the file holds; `following` takes the place of `pepper` while a rotation lasts."""

    pepper: bytes
    salts: bytes
    earlier: tuple[bytes, ...] = ()
    following: bytes | None = None

    def __repr__(self) -> str:
        """Show no value."""
        return "Pepper(…)"

    def rotated(self) -> "Pepper":
        """Return what the file holds when the rotation is done."""
        if self.following is None:
            return self
        earlier = (*self.earlier, derive_name_key(self.pepper))
        return Pepper(self.following, self.salts, earlier)

    def secrets(self, region: str, entropy: Callable[[int], bytes]) -> Secrets:
        """Return what seals and opens under this pepper."""
        return Secrets(region, self.pepper, self.salts, entropy, self.earlier)

    def candidates(self, region: str, entropy: Callable[[int], bytes]) -> tuple[Secrets, ...]:
        """Return the same for this pepper, and for the one that follows."""
        following = () if self.following is None else (self.rotated().secrets(region, entropy),)
        return (self.secrets(region, entropy), *following)


def draw_pepper(entropy: Callable[[int], bytes]) -> Pepper:
    """Return a new pepper."""
    return Pepper(entropy(PEPPER_BYTES), entropy(PEPPER_BYTES))


def load_pepper(path: Path, user: int) -> Pepper:
    """Read the file; raises StorageError where others may read it, FormatError."""
    try:
        found = path.stat()
    except FileNotFoundError as error:
        raise StorageError(
            f"{path} is not there: restore the pepper, without which no account opens, with"
            " `hening-server cloud pepper restore`."
        ) from error
    if not is_private(found, user):
        raise StorageError(f"others may read or change {path}: run `chmod 600 {path}`.")
    match = _FORM.fullmatch(read_bounded(path, _LIMIT))
    if match is None:
        raise FormatError(f"{path} holds no pepper; restore the file that `cloud init` made.")
    earlier = tuple(bytes.fromhex(line.split()[1].decode()) for line in match[3].splitlines())
    following = None if match[4] is None else bytes.fromhex(match[4].decode())
    pepper, salts = (bytes.fromhex(match[each].decode()) for each in (1, 2))
    return Pepper(pepper, salts, earlier, following)


def write_pepper(path: Path, pepper: Pepper) -> None:
    """Make the file hold `pepper` and nothing else."""
    lines = [("pepper", pepper.pepper), ("salts", pepper.salts)]
    lines += [("earlier", each) for each in pepper.earlier]
    if pepper.following is not None:
        lines.append(("next", pepper.following))
    write_durable(path, "".join(f"{name} {value.hex()}\n" for name, value in lines).encode())


def begin_rotation(path: Path, pepper: Pepper, entropy: Callable[[int], bytes]) -> Pepper:
    """Write down the pepper that follows, unless a rotation that was interrupted did."""
    if pepper.following is not None:
        return pepper
    begun = replace(pepper, following=entropy(PEPPER_BYTES))
    write_pepper(path, begun)
    return begun

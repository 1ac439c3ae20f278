"""The pepper's file, which must not be in a backup of the cloud's folder.

    pepper HEX
    salts HEX
    earlier HEX     for each former pepper, oldest first: its key for hashing names
    next HEX        during a rotation: the pepper that will replace this one

During a rotation the database (`storage.models.Site`) records which of the two it was encrypted
with.

On paper the pepper is printed as lines of 32 digits, each with a check:

    pepper-1 7f3a 01c4 … 9b20  4e1d

The last four digits are the first four of sha256(label ∥ the line's 16 bytes), which reveals a
mistyped line. The program age can encrypt the lines to an operator's key.
"""

import hashlib
import re
import subprocess
from collections.abc import Callable, Iterable, Iterator
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
_LINE_BYTES = 16
_LINE = re.compile(r"(pepper|salts|earlier)-([0-9]{1,3})([0-9a-f]{32})([0-9a-f]{4})")
PROGRAM = "age"
_RECIPIENT = re.compile(r"age1[02-9ac-hj-np-z]{58}")
_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Pepper:
    """The contents of the file; `following` is the next pepper during a rotation."""

    pepper: bytes
    salts: bytes
    earlier: tuple[bytes, ...] = ()
    following: bytes | None = None

    def __repr__(self) -> str:
        """Hide the secret values."""
        return "Pepper(…)"

    def rotated(self) -> "Pepper":
        """Return the contents of the file after the rotation."""
        if self.following is None:
            return self
        earlier = (*self.earlier, derive_name_key(self.pepper))
        return Pepper(self.following, self.salts, earlier)

    def secrets(self, region: str, entropy: Callable[[int], bytes]) -> Secrets:
        """Return the secrets of this pepper."""
        return Secrets(region, self.pepper, self.salts, entropy, self.earlier)

    def candidates(self, region: str, entropy: Callable[[int], bytes]) -> tuple[Secrets, ...]:
        """Return the secrets of this pepper, and of the next one during a rotation."""
        following = () if self.following is None else (self.rotated().secrets(region, entropy),)
        return (self.secrets(region, entropy), *following)


def draw_pepper(entropy: Callable[[int], bytes]) -> Pepper:
    """Return a new pepper."""
    return Pepper(entropy(PEPPER_BYTES), entropy(PEPPER_BYTES))


def load_pepper(path: Path, user: int) -> Pepper:
    """Read the file; raises StorageError if missing or not private, FormatError if malformed.

    `user` is the id of the user that must own the file.
    """
    try:
        found = path.stat()
    except FileNotFoundError as error:
        raise StorageError(
            f"{path} does not exist: restore the pepper, which every account needs, with"
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
    """Write `pepper` to the file, replacing its contents."""
    lines = [("pepper", pepper.pepper), ("salts", pepper.salts)]
    lines += [("earlier", each) for each in pepper.earlier]
    if pepper.following is not None:
        lines.append(("next", pepper.following))
    write_durable(path, "".join(f"{name} {value.hex()}\n" for name, value in lines).encode())


def begin_rotation(path: Path, pepper: Pepper, entropy: Callable[[int], bytes]) -> Pepper:
    """Write the next pepper to the file, unless an interrupted rotation has done so."""
    if pepper.following is not None:
        return pepper
    rotation = replace(pepper, following=entropy(PEPPER_BYTES))
    write_pepper(path, rotation)
    return rotation


def encode_escrow(pepper: Pepper) -> list[str]:
    """Return a pepper as lines for paper; no rotation may be under way."""
    secrets = (("pepper", pepper.pepper), ("salts", pepper.salts))
    lines = [line for name, value in secrets for line in _encode(name, value)]
    return lines + list(_encode("earlier", b"".join(pepper.earlier)))


def decode_escrow(lines: Iterable[str]) -> Pepper:
    """Return the pepper from its lines, in any order, ignoring case and spaces.

    Raises FormatError that names a wrong or missing line.
    """
    found: dict[str, dict[int, bytes]] = {"pepper": {}, "salts": {}, "earlier": {}}
    for line in lines:
        if not line.strip():
            continue
        match = _LINE.fullmatch("".join(line.split()).casefold())
        if match is None:
            raise FormatError(
                f"{line.strip()[:10]!r}… is not a line of a pepper: type it as printed."
            )
        name, number, digits, check = match.groups()
        value = bytes.fromhex(digits)
        if _check(f"{name}-{number}", value) != check:
            raise FormatError(f"the line {name}-{number} has a mistake: type it again.")
        found[name][int(number)] = value
    pepper, salts = _join(found, "pepper", 2), _join(found, "salts", 2)
    earlier = _join(found, "earlier", len(found["earlier"]) + len(found["earlier"]) % 2)
    keys = tuple(earlier[start : start + 32] for start in range(0, len(earlier), 32))
    return Pepper(pepper, salts, keys)


def _encode(name: str, value: bytes) -> Iterator[str]:
    for number, start in enumerate(range(0, len(value), _LINE_BYTES), 1):
        label, part = f"{name}-{number}", value[start : start + _LINE_BYTES]
        yield f"{label:<10} {part.hex(' ', 2)}  {_check(label, part)}"


def _join(found: dict[str, dict[int, bytes]], name: str, count: int) -> bytes:
    lines = found[name]
    for number in range(1, count + 1):
        if number not in lines:
            raise FormatError(f"the line {name}-{number} is missing.")
    if len(lines) > count:
        raise FormatError(f"there are only {count} lines {name}.")
    return b"".join(lines[number] for number in range(1, count + 1))


def _check(label: str, value: bytes) -> str:
    return hashlib.sha256(label.encode() + value).hexdigest()[:4]


def check_recipient(recipient: str) -> None:
    """Check that age can encrypt to a key, by encrypting nothing.

    Raises FormatError if `recipient` is not an age key, StorageError if age is missing or fails.
    """
    seal_lines((), recipient)


def seal_lines(lines: Iterable[str], recipient: str) -> str:
    """Return the lines encrypted as an ASCII age file; raises as `check_recipient` does."""
    if _RECIPIENT.fullmatch(recipient) is None:
        raise FormatError(
            f"{recipient[:70]!r} is not an age key: give the public key that `age-keygen` prints,"
            " which begins with age1."
        )
    text = "".join(f"{line}\n" for line in lines)
    try:
        result = subprocess.run(  # noqa: S603 - the program is named here, the key is checked
            [PROGRAM, "--encrypt", "--armor", "--recipient", recipient],
            input=text,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
    except FileNotFoundError as error:
        raise StorageError(
            "the program age is missing: install Debian's package age, or print the lines instead."
        ) from error
    except subprocess.TimeoutExpired as error:
        raise StorageError(f"age did not finish within {_SECONDS} seconds.") from error
    if result.returncode:
        raise StorageError(f"age failed: {result.stderr.strip() or result.returncode}.")
    return result.stdout

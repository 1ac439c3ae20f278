"""The pepper's lines sealed to an age key, by the program age: the operator's key opens them."""

import re
import subprocess
from collections.abc import Iterable

from server.core.errors import FormatError
from server.storage.errors import StorageError

PROGRAM = "age"
_RECIPIENT = re.compile(r"age1[02-9ac-hj-np-z]{58}")
_SECONDS = 60


def check_recipient(recipient: str) -> None:
    """Seal nothing to an age key, so that one that cannot be used is refused early.

    Raises FormatError for what is no age key, StorageError where age is missing or fails.
    """
    seal_lines((), recipient)


def seal_lines(lines: Iterable[str], recipient: str) -> str:
    """Return lines as an age file in ASCII; raises as `check_recipient` does."""
    if _RECIPIENT.fullmatch(recipient) is None:
        raise FormatError(
            f"{recipient[:70]!r} is no age key: give the public key that `age-keygen` prints, which"
            " begins with age1."
        )
    text = "".join(f"{line}\n" for line in lines)
    try:
        done = subprocess.run(  # noqa: S603 - the program is named here, the key is checked
            [PROGRAM, "--encrypt", "--armor", "--recipient", recipient],
            input=text,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
    except FileNotFoundError as error:
        raise StorageError(
            "the program age is not here: install Debian's age, or print the lines instead."
        ) from error
    except subprocess.TimeoutExpired as error:
        raise StorageError(f"age did not end within {_SECONDS} seconds.") from error
    if done.returncode:
        raise StorageError(f"age failed: {done.stderr.strip() or done.returncode}.")
    return done.stdout

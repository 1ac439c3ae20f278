"""Runs the programs of this project as a person would, with the passphrase over a pipe."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from signer.errors import CeremonyError, EnvironmentFailedError

_FAILED = 3  # the exit status of all programs when the environment failed


class Programs:
    """Runs programs; those that sign read `passphrase` from a pipe, and no others receive it."""

    def __init__(self, passphrase: bytes) -> None:
        self._passphrase = passphrase

    def __call__(self, program: str, *words: str | Path, signs: bool = False) -> None:
        """Run `program` to its end.

        Raises EnvironmentFailedError or CeremonyError with its message.
        """
        command = [find_program(program), *map(str, words)]
        if not signs:
            _check(program, words, _run(command))
            return
        reader, writer = os.pipe()
        try:
            with os.fdopen(writer, "wb") as pipe:
                pipe.write(self._passphrase)  # it fits: a pipe holds 64 KiB
            command += ["--passphrase-fd", str(reader)]
            _check(program, words, _run(command, reader))
        finally:
            os.close(reader)


def find_program(name: str) -> str:
    """Return the path of a program of this project: beside this one, or on the PATH."""
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.is_file() else shutil.which(name)
    if found is None:
        raise EnvironmentFailedError(f"{name} is not installed beside hening-signer; install it.")
    return found


def _run(command: list[str], *descriptors: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - our own programs
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        pass_fds=descriptors,
    )


def _check(
    program: str, words: tuple[str | Path, ...], done: subprocess.CompletedProcess[str]
) -> None:
    if done.returncode == 0:
        return
    said = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
    kind = EnvironmentFailedError if done.returncode == _FAILED else CeremonyError
    named = [word for word in words[:2] if isinstance(word, str) and not word.startswith("-")]
    raise kind(f"`{' '.join([program, *named])}` failed: {said.removeprefix(f'{program}: ')}")

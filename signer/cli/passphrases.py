"""Where passphrases come from: a file descriptor, the environment or the terminal, in this order.

There is no option that takes the passphrase itself: other users could read it in the process list.
"""

import os
import sys
from collections.abc import Callable, Mapping
from typing import TypeVar

import click

from signer.errors import SurroundingsError
from signer.key_file import MAX_PASSPHRASE

VARIABLE = b"HENING_SIGNER_PASSPHRASE"

_F = TypeVar("_F", bound=Callable[..., None])


def passphrase_option(command: _F) -> _F:
    """Give a command the option `--passphrase-fd`."""
    return click.option(
        "--passphrase-fd",
        type=click.IntRange(min=0),
        metavar="N",
        help="Read the passphrase from file descriptor N; else it is taken from the environment"
        " variable HENING_SIGNER_PASSPHRASE, or asked for.",
    )(command)


class Passphrases:
    """Gives the passphrase of each key; a file descriptor is read once and serves for all keys."""

    def __init__(self, descriptor: int | None, environment: Mapping[bytes, bytes]) -> None:
        self._fixed = (
            environment.get(VARIABLE) if descriptor is None else _read_descriptor(descriptor)
        )
        self._last = b""

    def __call__(self, name: str) -> bytes:
        """Return the passphrase of the key `name`; an empty answer repeats the one before."""
        if self._fixed is not None:
            return self._fixed
        again = " (empty: as before)" if self._last else ""
        self._last = _ask(f"Passphrase of {name}{again}", confirm=False) or self._last
        return self._last

    def choose(self) -> bytes:
        """Return the passphrase for new keys, asked for twice on a terminal."""
        if self._fixed is not None:
            return self._fixed
        return _ask("New passphrase", confirm=True)


def _read_descriptor(descriptor: int) -> bytes:
    # One octet more than allowed, so that a longer passphrase is refused and not cut off.
    try:
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read(MAX_PASSPHRASE + 2).removesuffix(b"\n")
    except OSError as error:
        raise SurroundingsError(
            f"Nothing can be read from --passphrase-fd {descriptor} ({error.strerror});"
            f" open it for reading, for example with `{descriptor}<FILE`."
        ) from error


def _ask(prompt: str, *, confirm: bool) -> bytes:
    if not sys.stdin.isatty():
        raise click.UsageError(
            "There is no terminal to ask for the passphrase on;"
            " use --passphrase-fd or HENING_SIGNER_PASSPHRASE."
        )
    default = None if confirm else ""
    answer: str = click.prompt(
        prompt,
        default=default,
        show_default=False,
        hide_input=True,
        confirmation_prompt=confirm,
        err=True,
    )
    return answer.encode()

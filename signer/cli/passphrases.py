"""Where passphrases come from: a file descriptor, the environment or the terminal, in this order.

There is no option that takes the passphrase itself: other users could read it in the process list.
A token's PIN is looked for in a variable of its own first and never in the one for passphrases:
a token locks itself after a few wrong PINs, so it is not tried with a secret of something else.
"""

import os
import sys
from collections.abc import Callable, Mapping
from typing import TypeVar

import click

from signer.errors import SurroundingsError
from signer.keys.key_file import MAX_PASSPHRASE

VARIABLE = b"HENING_SIGNER_PASSPHRASE"
NEW_VARIABLE = b"HENING_SIGNER_NEW_PASSPHRASE"
PIN_VARIABLE = b"HENING_SIGNER_PIN"
VARIABLES = (VARIABLE, NEW_VARIABLE, PIN_VARIABLE)
"""Every environment variable that may hold a secret."""

_F = TypeVar("_F", bound=Callable[..., None])


def passphrase_option(command: _F) -> _F:
    """Give a command the option `--passphrase-fd`."""
    return click.option(
        "--passphrase-fd",
        type=click.IntRange(min=0),
        metavar="N",
        help="Read the passphrase, or the token's PIN, from file descriptor N; it serves for all"
        " keys. Else they are taken from the environment variables HENING_SIGNER_PASSPHRASE and"
        " HENING_SIGNER_PIN, or asked for.",
    )(command)


def new_passphrase_option(command: _F) -> _F:
    """Give a command the option `--new-passphrase-fd`."""
    return click.option(
        "--new-passphrase-fd",
        type=click.IntRange(min=0),
        metavar="N",
        help="Read the new passphrase from file descriptor N; else it is taken from the"
        " environment variable HENING_SIGNER_NEW_PASSPHRASE, or asked for.",
    )(command)


class Passphrases:
    """Gives the passphrase of each key; a file descriptor is read once and serves for all keys."""

    def __init__(
        self,
        descriptor: int | None,
        environment: Mapping[bytes, bytes],
        variable: bytes = VARIABLE,
    ) -> None:
        read = None if descriptor is None else _read_descriptor(descriptor)
        self._fixed = environment.get(variable) if read is None else read
        self._pin = environment.get(PIN_VARIABLE, read)
        self._last = b""

    def __call__(self, name: str) -> bytes:
        """Return the passphrase of the key `name`, or the PIN of a token for `token LABEL`.

        An empty answer repeats the passphrase before.
        """
        if name.startswith("token "):
            return _ask(f"PIN of {name}") if self._pin is None else self._pin
        if self._fixed is not None:
            return self._fixed
        self._last = _ask(f"Passphrase of {name}{self._hint}") or self._last
        return self._last

    def choose(self, name: str) -> bytes:
        """Return a passphrase for the key `name`, asked for twice on a terminal.

        An empty answer repeats the passphrase before.
        """
        if self._fixed is not None:
            return self._fixed
        while True:
            first = _ask(f"New passphrase of {name}{self._hint}")
            if not first and self._last:
                return self._last
            if first and first == _ask("Repeat for confirmation"):
                self._last = first
                return first
            click.echo("The two entries do not match; try again.", err=True)

    @property
    def _hint(self) -> str:
        return " (empty: as before)" if self._last else ""


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


def _ask(prompt: str) -> bytes:
    if not sys.stdin.isatty():
        raise click.UsageError(
            "There is no terminal to ask for the passphrase or PIN on; use --passphrase-fd or"
            " HENING_SIGNER_PASSPHRASE, and for a token HENING_SIGNER_PIN."
        )
    try:
        answer: str = click.prompt(
            prompt, default="", show_default=False, hide_input=True, err=True
        )
        return answer.encode()
    except UnicodeError:
        # Without its cause, which holds what was typed.
        raise click.UsageError(
            "What was typed is not text in this terminal's encoding; use --passphrase-fd."
        ) from None

"""Reads passphrases from a file descriptor, the environment or the terminal, in this order.

There is no option that takes the passphrase itself: other users could read it in the process list.
A token's PIN has a file descriptor and a variable of its own, and is never read from those for
passphrases: a token locks itself after a few wrong PINs, so no other secret is tried on it.
"""

import os
import sys
from collections.abc import Callable, Mapping
from typing import TypeVar

import click

from signer.errors import EnvironmentFailedError, KeyStoreError

VARIABLE = b"HENING_SIGNER_PASSPHRASE"
NEW_VARIABLE = b"HENING_SIGNER_NEW_PASSPHRASE"
PIN_VARIABLE = b"HENING_SIGNER_PIN"
VARIABLES = (VARIABLE, NEW_VARIABLE, PIN_VARIABLE)
"""Every environment variable that may hold a secret."""

_F = TypeVar("_F", bound=Callable[..., None])

_DESCRIPTOR = click.IntRange(0, 2**31 - 1)  # the largest number that the system uses
_PIN_DESCRIPTOR = f"{__name__}.pin_fd"


def passphrase_option(command: _F) -> _F:
    """Give a command the options `--passphrase-fd` and `--pin-fd`.

    The command receives only `passphrase_fd`; `Passphrases` reads the other one from the context.
    """
    command = click.option(
        "--pin-fd",
        type=_DESCRIPTOR,
        metavar="N",
        expose_value=False,
        callback=_keep_pin_descriptor,
        help="Read the PIN of all tokens from file descriptor N. Default: the environment variable"
        " HENING_SIGNER_PIN, or a prompt.",
    )(command)
    return click.option(
        "--passphrase-fd",
        type=_DESCRIPTOR,
        metavar="N",
        help="Read the passphrase of all key files from file descriptor N. Default: the environment"
        " variable HENING_SIGNER_PASSPHRASE, or a prompt.",
    )(command)


def new_passphrase_option(command: _F) -> _F:
    """Give a command the option `--new-passphrase-fd`."""
    return click.option(
        "--new-passphrase-fd",
        type=_DESCRIPTOR,
        metavar="N",
        help="Read the new passphrase from file descriptor N. Default: the environment variable"
        " HENING_SIGNER_NEW_PASSPHRASE, or a prompt.",
    )(command)


class Passphrases:
    """Returns passphrases of keys and PINs of tokens; a file descriptor is read only once.

    The descriptor of `--pin-fd` of the running command is read when a token is used.
    """

    def __init__(
        self,
        descriptor: int | None,
        environment: Mapping[bytes, bytes],
        variable: bytes = VARIABLE,
    ) -> None:
        self._fixed = (
            environment.get(variable)
            if descriptor is None
            else _read_descriptor(
                descriptor,
                "--new-passphrase-fd" if variable == NEW_VARIABLE else "--passphrase-fd",
            )
        )
        self._pin = environment.get(PIN_VARIABLE)
        self._pin_descriptor = _find_pin_descriptor()
        if descriptor is not None and descriptor == self._pin_descriptor:
            raise click.UsageError(
                "--passphrase-fd and --pin-fd are one file descriptor, which can be read only once;"
                " give two."
            )
        self._last = b""

    def __call__(self, name: str) -> bytes:
        """Return the passphrase of the key `name`, or the PIN of a token for `token LABEL`.

        An empty answer repeats the previous passphrase.
        """
        if name.startswith("token "):
            if self._pin_descriptor is not None:
                self._pin = _read_pin(self._pin_descriptor)
                self._pin_descriptor = None
            return _ask(f"PIN of {name}") if self._pin is None else self._pin
        if self._fixed is not None:
            return self._fixed
        self._last = _ask(f"Passphrase of {name}{self._hint}") or self._last
        return self._last

    def choose(self, name: str) -> bytes:
        """Return a passphrase for the key `name`, asked for twice on a terminal.

        An empty answer repeats the previous passphrase. After a passphrase of invalid length, the
        user is asked again.
        """
        from signer.keys.key_file import check_passphrase

        if self._fixed is not None:
            return self._fixed
        while True:
            first = _ask(f"New passphrase of {name}{self._hint}")
            if not first and self._last:
                return self._last
            try:
                check_passphrase(first)
            except KeyStoreError as error:
                click.echo(error, err=True)
                continue
            if first == _ask("Repeat for confirmation"):
                self._last = first
                return first
            click.echo("The two entries do not match; try again.", err=True)

    @property
    def _hint(self) -> str:
        return " (empty: as before)" if self._last else ""


def _keep_pin_descriptor(
    context: click.Context, _option: click.Parameter, descriptor: int | None
) -> None:
    context.meta[_PIN_DESCRIPTOR] = descriptor


def _find_pin_descriptor() -> int | None:
    context = click.get_current_context(silent=True)
    descriptor: int | None = None if context is None else context.meta.get(_PIN_DESCRIPTOR)
    return descriptor


def _read_pin(descriptor: int) -> bytes:
    pin = _read_descriptor(descriptor, "--pin-fd")
    if not pin:  # trying it would use up one of the token's attempts
        raise EnvironmentFailedError(
            f"There is nothing to read from --pin-fd {descriptor}; write a PIN."
        )
    return pin


def _read_descriptor(descriptor: int, option: str) -> bytes:
    # One byte more than allowed, so that a longer passphrase is refused and not cut off.
    from signer.keys.key_file import MAX_PASSPHRASE

    try:
        if not os.get_blocking(descriptor):  # data that arrives later would be missing
            raise EnvironmentFailedError(
                f"{option} {descriptor} is non-blocking; open a pipe or file"
                f" without O_NONBLOCK, for example with `{descriptor}<FILE`."
            )
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read(MAX_PASSPHRASE + 2).removesuffix(b"\n")
    except OSError as error:
        raise EnvironmentFailedError(
            f"Nothing can be read from {option} {descriptor} ({error.strerror});"
            f" open it for reading, for example with `{descriptor}<FILE`."
        ) from error


def _ask(prompt: str) -> bytes:
    if not sys.stdin.isatty():
        raise click.UsageError(
            "There is no terminal to ask for the passphrase or PIN on; use --passphrase-fd or"
            " HENING_SIGNER_PASSPHRASE, and for a token --pin-fd or HENING_SIGNER_PIN."
        )
    try:
        answer: str = click.prompt(
            prompt, default="", show_default=False, hide_input=True, err=True
        )
        return answer.encode()
    except UnicodeError:
        # The cause is left out, because it contains the typed text.
        raise click.UsageError(
            "The input is not text in this terminal's encoding; use --passphrase-fd."
        ) from None

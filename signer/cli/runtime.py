"""The environment of a command (time, randomness, variables), read once in `main`."""

from __future__ import annotations

import ctypes
import os
import resource
import sys
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from signer.cli.parameters import CheckedText
from signer.cli.passphrases import VARIABLES
from signer.keys.key_name import check_holder

if TYPE_CHECKING:
    from signer.keys.keystore import Keystore


@dataclass(frozen=True, slots=True)
class Runtime:
    """The current time (UTC), random bytes, the environment in bytes, and a clock for durations."""

    now: datetime
    entropy: Callable[[int], bytes]
    environment: Mapping[bytes, bytes] = field(repr=False)  # it may contain the passphrase
    monotonic: Callable[[], float] = float  # a clock that stands still; `main` passes a real one
    pause: Callable[[float], None] = lambda _seconds: None  # `main` passes one that waits


HOLDER = CheckedText("HOLDER", check_holder)


def open_keystore(folder: Path) -> Keystore:
    """Return a key folder; its tokens are logged out when the command ends."""
    from signer.keys.keystore import Keystore

    return click.get_current_context().with_resource(Keystore(folder))


_PR_SET_DUMPABLE = 4


def harden_process() -> None:
    """Prevent core files, and reads of this process's memory by other processes of the same user.

    Passphrases and keys are in memory while a command runs, and Python cannot wipe them. The limit
    prevents core files, except where the system pipes them into a program. The second call prevents
    that too, and denies access to debuggers and to `/proc/PID/environ`.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        library = ctypes.CDLL(None, use_errno=True)
        if library.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))


def take_environment(environment: MutableMapping[bytes, bytes]) -> dict[bytes, bytes]:
    """Return a copy of the environment, and remove the secrets that children would inherit."""
    variables = dict(environment)
    for variable in VARIABLES:
        environment.pop(variable, None)
    return variables

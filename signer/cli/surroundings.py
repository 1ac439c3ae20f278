"""What the outside world is to a command, read once in `main`."""

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
class Surroundings:
    """The time now (UTC), random bytes, the environment in bytes, and a clock for durations."""

    now: datetime
    entropy: Callable[[int], bytes]
    environment: Mapping[bytes, bytes] = field(repr=False)  # it may hold the passphrase
    monotonic: Callable[[], float] = float  # a clock that stands still; `main` gives a real one
    pause: Callable[[float], None] = lambda _seconds: None  # `main` gives one that waits


HOLDER = CheckedText("HOLDER", check_holder)


def open_keystore(folder: Path) -> Keystore:
    """Return a key folder whose tokens are logged out when the command ends."""
    from signer.keys.keystore import Keystore

    return click.get_current_context().with_resource(Keystore(folder))


_PR_SET_DUMPABLE = 4


def harden_process() -> None:
    """Leave no core file, and let no other process of the same user look into this one.

    Passphrases and keys are in memory while a command runs, and Python cannot wipe them. The limit
    prevents core files; it does not hold where the system pipes them into a program, which the
    second call prevents. That also denies debuggers, and others' sight of `/proc/PID/environ`.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        library = ctypes.CDLL(None, use_errno=True)
        if library.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))


def take_environment(environment: MutableMapping[bytes, bytes]) -> dict[bytes, bytes]:
    """Return a copy of the environment, and take the secrets out of what children inherit."""
    taken = dict(environment)
    for variable in VARIABLES:
        environment.pop(variable, None)
    return taken

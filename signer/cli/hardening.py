"""Keeps what the process remembers away from everything but the process."""

import ctypes
import os
import resource
import sys
from collections.abc import MutableMapping

from signer.cli.passphrases import VARIABLES

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

"""Who runs a command, as the trail names them."""

import os
import pwd
from pathlib import Path

from server.release.people.principal import Principal, command_line_principal

LOGIN = Path("/proc/self/loginuid")
_UNSET = 2**32 - 1


def operator() -> Principal:
    """Return the principal of this command: the user who logged in, or else the process's user.

    Linux keeps who logged in across `su` and `sudo`, so that the trail names a person and not root.
    The environment is not asked: anybody can set it.
    """
    uid = os.getuid()
    try:
        login = int(LOGIN.read_text())
    except (OSError, ValueError):
        login = _UNSET
    if login != _UNSET:
        uid = login
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = str(uid)
    return command_line_principal(name[:64])

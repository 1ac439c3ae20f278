"""The bond between a worker and its main process, which the kernel holds where it can.

A stopped process sees neither the end of a channel nor a signal other than SIGKILL, and would keep
its listening sockets. Source: PR_SET_PDEATHSIG of prctl(2).
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def die_with(parent: int) -> None:
    """Have the kernel kill this process when process `parent` ends, or end now if it has ended.

    Elsewhere than on Linux nothing is asked of the kernel. Raises OSError where it refuses.
    """
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL)) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
    # It may have ended before the kernel was asked, and then no signal comes.
    if os.getppid() != parent:
        os._exit(1)

"""CPU priority: where cores are scarce, the main process yields to its workers.

Phones wait for a worker, but a publication may take some milliseconds more. On Linux every thread
has its own priority, which new threads and processes inherit from the thread that starts them.
Without privileges it can only be lowered. So one thread starts before the others, keeps the
original priority, and starts the workers.
"""

import asyncio
import contextlib
import functools
import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

NICE = 7  # a fifth of a worker's share; on a core that is never idle still a sixth


def lower_priority() -> None:
    """Lower the priority of this thread and of all that it starts; call it before starting any.

    On other systems than Linux it would apply to the whole process, so nothing is done. A service
    manager may have forbidden it; then all have the same share.
    """
    if sys.platform == "linux":
        with contextlib.suppress(PermissionError):
            os.setpriority(os.PRIO_PROCESS, 0, os.getpriority(os.PRIO_PROCESS, 0) + NICE)


class ProcessStarter:
    """Starts processes from one thread, which has the priority of its creator.

    The kernel takes that thread for their parent: it lives as long as this process.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="starter")
        # A thread has its creator's priority from its start on, which this waits for.
        self._thread.submit(os.getpid)

    async def begin(
        self,
        command: Sequence[str],
        descriptors: Sequence[int],
        environment: Mapping[str, str],
        theirs: socket.socket,
    ) -> "subprocess.Popen[bytes]":
        """Start a process that inherits `descriptors` and of our streams only standard error.

        `theirs` is one of them and closed here once they are inherited, since the awaiting task may
        be cancelled before. Raises OSError where there is no room for another process.
        """
        loop = asyncio.get_running_loop()
        begin = functools.partial(_begin, command, descriptors, environment, theirs)
        return await loop.run_in_executor(self._thread, begin)


def _begin(
    command: Sequence[str],
    descriptors: Sequence[int],
    environment: Mapping[str, str],
    theirs: socket.socket,
) -> "subprocess.Popen[bytes]":
    with theirs:
        return subprocess.Popen(  # noqa: S603 - the command is ours
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=descriptors,
            env=environment,
            # Ctrl-C is for the main process, which drains the workers. They have no session of
            # their own: the kernel may divide cores among sessions first, and then priorities have
            # no effect.
            process_group=0,
        )

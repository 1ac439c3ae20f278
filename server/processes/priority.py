"""CPU priority: if cores are scarce, the workers go before the main process.

Phones wait for workers, but a publication may take some milliseconds longer. On Linux every thread
has its own priority, which new threads and processes inherit from the thread that starts them.
Without privileges a priority can only be lowered. So one thread is started before that, keeps the
original priority, and starts the workers.
"""

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

NICE = 7  # gives the main process a fifth of a worker's share, a sixth of a busy core


def lower_priority() -> None:
    """Lower the priority of this thread and of those that it starts; call it before starting any.

    It does nothing on systems other than Linux, where it would apply to the whole process. If a
    service manager has forbidden it, all threads keep the same priority.
    """
    if sys.platform == "linux":
        with contextlib.suppress(PermissionError):
            os.setpriority(os.PRIO_PROCESS, 0, os.getpriority(os.PRIO_PROCESS, 0) + NICE)


class ProcessStarter:
    """Starts processes from one thread, which has the priority of its creator.

    For the kernel that thread is their parent, so it lives as long as this process.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="starter")
        # Start the thread now: it inherits the creator's current priority.
        self._thread.submit(os.getpid)

    async def begin(
        self,
        command: Sequence[str],
        descriptors: Sequence[int],
        environment: Mapping[str, str],
        theirs: socket.socket,
    ) -> "subprocess.Popen[bytes]":
        """Start a process that inherits `descriptors` and standard error.

        `theirs` is one of the descriptors. It is closed by this thread when the process has
        inherited it, because the awaiting task may be cancelled earlier. Raises OSError if no
        process can be started.
        """

        def start() -> "subprocess.Popen[bytes]":
            with theirs:
                return subprocess.Popen(  # noqa: S603 - no part of the command is foreign
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    pass_fds=descriptors,
                    env=environment,
                    # Ctrl-C must only reach the main process, which drains the workers. They do not
                    # get a new session, because the kernel may divide cores among sessions first,
                    # and then priorities have no effect.
                    process_group=0,
                )

        return await asyncio.get_running_loop().run_in_executor(self._thread, start)

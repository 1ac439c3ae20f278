"""Who gives way where there are fewer cores than work: the main process, to its workers.

Phones wait for a worker, and nobody for the milliseconds of a publication. On Linux every thread
has a priority of its own, which new threads and processes inherit from the one that begins them,
and which without privileges can only be lowered. So one thread is begun before the others, keeps
what this process was given, and begins the workers.
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

NICE = 7  # a fifth of a worker's share: of a core that is never idle this still is a sixth


def give_way() -> None:
    """Lower the priority of this thread and of all that it begins; call it before any other is.

    Elsewhere than on Linux it would be that of the whole process, so nothing is done. A service
    manager may have forbidden it; then everybody has the same share.
    """
    if sys.platform == "linux":
        with contextlib.suppress(PermissionError):
            os.setpriority(os.PRIO_PROCESS, 0, os.getpriority(os.PRIO_PROCESS, 0) + NICE)


class Nursery:
    """Begins processes from one thread, which has the priority of whoever made this object.

    The kernel takes that thread for their parent: it lives for as long as this process.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="nursery")
        self._thread.submit(os.getpid).result()

    async def begin(
        self,
        command: Sequence[str],
        descriptors: Sequence[int],
        environment: Mapping[str, str],
        theirs: socket.socket,
    ) -> "subprocess.Popen[bytes]":
        """Begin a process that inherits `descriptors` and writes to our standard error alone.

        `theirs` is one of them and closed here, once they are inherited, for whoever waits may be
        cancelled before. Raises OSError where there is no room for it.
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
            # Ctrl-C is for the main process, which lets workers drain. Not a session of their own:
            # the kernel may share cores among sessions first, and then priorities say nothing.
            process_group=0,
        )

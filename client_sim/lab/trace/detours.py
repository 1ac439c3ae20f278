"""What a client does past its world: sockets, questions and programs of its own.

The interpreter tells of each before it happens (PEP 578). While a client runs in virtual time
nothing of the kind is needed, so it is noted, and it fails: what is planted stays on the machine.
Not seen: what native code does by itself, and whoever takes the lab apart on purpose.
"""

import errno
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

Note = Callable[[bytes], None]

_SOCKETS: Final = frozenset(
    {
        *("socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg"),
        *("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"),
        *("socket.getnameinfo", "socket.sethostname"),
    }
)
_PROGRAMS: Final = frozenset(
    {"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.forkpty"}
)
_noted: Note | None = None
_hooked: bool = False


@contextmanager
def watch_detours(note: Note) -> Iterator[None]:
    """Hand what this process tries meanwhile to `note`, as `EVENT TARGET`.

    OSError for whoever tries. One watch at a time, of all threads.
    """
    global _noted, _hooked  # noqa: PLW0603  # a hook is one per interpreter, and for ever
    if not _hooked:
        sys.addaudithook(_hook)
        _hooked = True
    before, _noted = _noted, note
    try:
        yield
    finally:
        _noted = before


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if _noted is None or (event not in _SOCKETS and event not in _PROGRAMS):
        return
    said = next((each for each in arguments if isinstance(each, str | bytes | tuple)), "")
    target = said.decode("latin-1") if isinstance(said, bytes) else str(said)
    _noted(f"{event} {target}".encode("utf-8", "backslashreplace"))
    raise OSError(errno.EPERM, f"a client that is examined has its world alone, and no {event}")

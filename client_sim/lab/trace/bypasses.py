"""Detection of what a client does outside its world: sockets, DNS lookups, programs, and pauses.

The interpreter raises an audit event before each of the first three (PEP 578). A client in virtual
time needs none of them, so each attempt is recorded and fails, and planted values stay on the
machine.

A pause in real time between two requests can also carry a value, which a virtual clock does not
show. Calls that wait for a number of seconds are therefore replaced permanently before a client is
loaded. The replacements fail during a watch.

Not detected: calls made by native code itself, busy loops, and a client that disables the lab on
purpose.
"""

import _posixsubprocess
import errno
import select
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, wraps
from threading import Condition, Thread, get_ident
from threading import enumerate as list_threads
from typing import Any, Final, SupportsFloat

Note = Callable[[bytes], None]

_SOCKETS: Final = frozenset(
    {
        *("socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg"),
        *("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"),
        *("socket.getnameinfo", "socket.sethostname", "syslog.openlog", "syslog.syslog"),
    }
)
_PROGRAMS: Final = frozenset(
    {"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.forkpty"}
)
_SLEEP: Final = "time.sleep"  # an audit event, too, from Python 3.13 on
_WAITS: Final[tuple[tuple[Any, str], ...]] = (
    *((time, "sleep"), (select, "select"), (signal, "sigtimedwait")),
    *((signal, "setitimer"), (signal, "alarm"), (socket.socket, "settimeout")),
    *((Condition, "wait"), (Thread, "join")),
    *((selectors.SelectSelector, "select"), (selectors.DefaultSelector, "select")),
    (selectors.PollSelector, "select"),
)
_note: Note | None = None
_other_threads: frozenset[int | None] = frozenset()


@contextmanager
def watch_bypasses(note: Note) -> Iterator[None]:
    """Pass each attempt in this process to `note`, as `EVENT TARGET`, while the context is active.

    The attempt raises OSError. There is one watch at a time, for all threads. Threads that existed
    before, such as that of a progress bar, may still wait.
    """
    global _note, _other_threads  # noqa: PLW0603  # a hook is one per interpreter
    prepare_to_watch()
    before = _note, _other_threads
    _other_threads = frozenset(thread.ident for thread in list_threads()) - {get_ident()}
    _note = note
    try:
        yield
    finally:
        _note, _other_threads = before


@cache
def prepare_to_watch() -> None:
    """Add the audit hook and replace the calls, once; call this before a client is imported."""
    sys.addaudithook(_hook)
    for owner, name in _WAITS:
        if hasattr(owner, name):  # not every system has every call
            setattr(owner, name, _watch_call(f"{owner.__name__}.{name}", getattr(owner, name)))
    # `multiprocessing` starts its processes with this call, which raises no audit event.
    _posixsubprocess.fork_exec = _forbid_fork(_posixsubprocess.fork_exec)


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if _note is None:
        return
    if event == _SLEEP:
        _refuse_wait(event, arguments)
    if event not in _SOCKETS and event not in _PROGRAMS:
        return
    target = next((each for each in arguments if isinstance(each, str | bytes | tuple)), "")
    _refuse(event, target.decode("latin-1") if isinstance(target, bytes) else str(target))


def _refuse_wait(event: str, arguments: tuple[Any, ...]) -> None:
    """Refuse a call with a timeout; polling, or waiting for another thread, is not a pause."""
    seconds = [float(each) for each in arguments if isinstance(each, SupportsFloat)]
    if get_ident() not in _other_threads and any(each > 0 for each in seconds):
        _refuse(event, f"{max(seconds):g}")


def _refuse(event: str, target: str) -> None:
    if _note is not None:
        _note(f"{event} {target}".encode("utf-8", "backslashreplace"))
        raise OSError(
            errno.EPERM, f"a client under examination may use only its world, and not {event}"
        )


def _watch_call(event: str, call: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(call)
    def watched(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401  # as it is called
        if _note is not None:
            _refuse_wait(event, (*arguments, *named.values()))
        return call(*arguments, **named)

    return watched


def _forbid_fork(call: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(call)
    def forbidden(*arguments: Any) -> Any:  # noqa: ANN401  # as it is called
        if _note is not None:
            _refuse("_posixsubprocess.fork_exec", str(arguments[0]))
        return call(*arguments)

    return forbidden

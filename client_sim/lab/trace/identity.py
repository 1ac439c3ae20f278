"""Simulation of another machine: host, user, clock and disk as the interpreter reports them.

The calls are replaced permanently, before a client is loaded and can import one of them. During a
run the replacements answer for the machine of that run, and at other times they call the original.
The environment and the time zone of the process are really changed during a run. Not replaced:
system calls that native code makes itself, and facts about the interpreter and the hardware.
"""

import builtins
import grp
import io
import os
import platform
import posix
import pwd
import re
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, lru_cache, wraps
from typing import Any, Final

from client_sim.clock import read_clock
from client_sim.lab.trace.machine import Machine

Answer = Callable[..., Any]
"""Answers a call on a machine; takes the machine, the original call, and its arguments."""

# Prefixes of variables that the interpreter and its libraries need; they are the same on all
# machines.
_PRESERVED: Final = (
    *(b"PATH", b"TMP", b"TEMP", b"PYTHON", b"LD_", b"SSL_", b"OPENSSL_", b"COV", b"PYTEST"),
    b"VIRTUAL",
)
_ZONE: Final = b"TZ"
_CARD_ADDRESS: Final = re.compile(r"/sys/class/net/[^/]+/address")
# The mapping below `os.environ`, which would encode and decode each time; runs take milliseconds.
_ENVIRONMENT: Final[dict[bytes, bytes]] = vars(os)["environ"]._data  # noqa: SLF001  # its only name
_CLOCKS: Final = ("CLOCK_MONOTONIC", "CLOCK_MONOTONIC_RAW", "CLOCK_BOOTTIME")
CLOCKS_AT_IMPORT: Final = {
    number: time.clock_gettime(number)
    for number in (getattr(time, name) for name in _CLOCKS if hasattr(time, name))
}
"""The clocks that count from this machine's start, read when this module was imported.

They are subtracted, so that a simulated machine can have started recently although this one has
been up for days.
"""
_current: Machine | None = None
_other_threads: frozenset[threading.Thread] = frozenset()


@contextmanager
def on_machine(machine: Machine) -> Iterator[Callable[[Machine], None]]:
    """Make this process look like `machine` to code in the context and to threads that it starts.

    Yields a function that switches to another machine.
    """
    global _current, _other_threads  # noqa: PLW0603  # a machine is one per interpreter
    prepare_machines()
    before = _current, _other_threads
    environment, node = dict(_ENVIRONMENT), uuid.getnode()
    _other_threads = frozenset(threading.enumerate()) - {threading.current_thread()}
    preserved = {name: value for name, value in environment.items() if name.startswith(_PRESERVED)}

    def switch_to(machine: Machine) -> None:
        global _current  # noqa: PLW0603  # as above
        _set_environment({**preserved, **_encode_environment(machine)})
        _set_node(machine.node)
        _current = machine

    switch_to(machine)
    try:
        yield switch_to
    finally:
        _current, _other_threads = before
        _set_environment(environment)
        _set_node(node)


@lru_cache(maxsize=64)
def _encode_environment(machine: Machine) -> dict[bytes, bytes]:
    return {name.encode(): value.encode() for name, value in machine.environment.items()}


def _set_environment(variables: dict[bytes, bytes]) -> None:
    """Replace the interpreter's environment, and the time zone in the C library."""
    _ENVIRONMENT.clear()
    _ENVIRONMENT.update(variables)
    if _ZONE in variables:
        os.putenv(_ZONE, variables[_ZONE])
    else:
        os.unsetenv(_ZONE)
    time.tzset()


def _set_node(node: int) -> None:
    """Set the node id and clear the uname that the standard library caches."""
    uuid._node = node  # type: ignore[attr-defined]  # noqa: SLF001  # as `getnode` keeps it
    platform._uname_cache = None  # type: ignore[attr-defined]  # noqa: SLF001  # as `uname` does


@cache
def prepare_machines() -> None:
    """Replace the calls, once; call this before a client is imported."""
    for name, answer in _OS_CALLS.items():
        _replace((os, posix), name, answer)
    for name, answer in _TIME_CALLS.items():
        _replace((time,), name, answer)
    for module, name, answer in _OTHER_CALLS:
        _replace((module,), name, answer)
    _replace((builtins, io), "open", _open)


def _replace(modules: tuple[Any, ...], name: str, answer: Answer) -> None:
    call = getattr(modules[0], name, None)
    if call is None:
        return  # not every system has every call

    @wraps(call)
    def replacement(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401  # as it is called
        if _current is None or _is_other_thread():
            return call(*arguments, **named)
        return answer(_current, call, *arguments, **named)

    for module in modules:
        setattr(module, name, replacement)


def _is_other_thread() -> bool:
    # Not `current_thread`, which creates a dummy object for a thread that is still starting.
    thread = threading._active.get(threading.get_ident())  # type: ignore[attr-defined]  # noqa: SLF001  # its only name
    return thread in _other_threads


def _constant(read: Callable[[Machine], Any]) -> Answer:
    return lambda machine, _call, *_arguments, **_named: read(machine)


def _uname(machine: Machine, call: Answer) -> os.uname_result:
    real = call()
    values = (real.sysname, machine.host, machine.release, real.version, real.machine)
    return os.uname_result(values)


def _statvfs(machine: Machine, call: Answer, *arguments: Any) -> os.statvfs_result:
    real = call(*arguments)
    sizes = (4096, 4096, machine.disk, machine.free, machine.free)
    return os.statvfs_result((*sizes, *tuple(real)[5:]))


def _sysconf(machine: Machine, call: Answer, name: str | int) -> int:
    match name:
        case "SC_NPROCESSORS_ONLN" | "SC_NPROCESSORS_CONF":
            return machine.cpus
        case "SC_PHYS_PAGES" | "SC_AVPHYS_PAGES":
            return machine.memory
        case _:
            return int(call(name))


def _getpwuid(machine: Machine, call: Answer, uid: int) -> pwd.struct_passwd:
    return _password(machine) if uid == machine.uid else call(uid)


def _getpwnam(machine: Machine, call: Answer, name: str) -> pwd.struct_passwd:
    return _password(machine) if name == machine.user else call(name)


def _password(machine: Machine) -> pwd.struct_passwd:
    env = machine.environment
    row = (machine.user, "x", machine.uid, machine.uid, "", env["HOME"], env["SHELL"])
    return pwd.struct_passwd(row)


def _getgrgid(machine: Machine, call: Answer, gid: int) -> grp.struct_group:
    return grp.struct_group((machine.user, "x", gid, [])) if gid == machine.uid else call(gid)


def _getfqdn(machine: Machine, call: Answer, name: str = "") -> str:
    return machine.host if name in {"", "0.0.0.0", machine.host} else str(call(name))  # noqa: S104


def _from_clock(machine: Machine, call: Answer) -> Any:  # noqa: ANN401  # seconds or nanoseconds
    return _shift_time(call(), machine.clock)


def _from_start(machine: Machine, call: Answer) -> Any:  # noqa: ANN401  # as above
    return _shift_time(call(), machine.uptime - CLOCKS_AT_IMPORT[time.CLOCK_MONOTONIC])


def _clock(machine: Machine, call: Answer, number: int) -> Any:  # noqa: ANN401  # as above
    is_real = number == time.CLOCK_REALTIME
    since = machine.uptime - CLOCKS_AT_IMPORT.get(number, 0.0)
    return _shift_time(call(number), machine.clock if is_real else since)


def _shift_time(now: float | int, seconds: float) -> float:  # noqa: PYI041  # nanoseconds stay whole
    return now + (seconds if isinstance(now, float) else round(seconds * 1e9))


def _broken_down(
    _machine: Machine, call: Answer, seconds: float | None = None
) -> time.struct_time | str:
    return call(read_clock() if seconds is None else seconds)  # type: ignore[no-any-return]


def _format_time(_machine: Machine, call: Answer, *arguments: Any) -> str:
    """Format a time, which is the last argument, or the current time if it is omitted."""
    whole = 2 if call.__name__ == "strftime" else 1
    values = arguments if len(arguments) == whole else (*arguments, time.localtime())
    return str(call(*values))


def _file_contents(machine: Machine, path: str | bytes) -> str | None:
    """Return a machine's contents of a file, or None; all network cards have the same address."""
    name = os.fsdecode(path)
    if _CARD_ADDRESS.fullmatch(name):
        return machine.node.to_bytes(6, "big").hex(":") + "\n"
    return machine.files.get(name)


def _open(
    machine: Machine,
    call: Answer,
    file: object,
    mode: str = "r",
    *others: object,
    **named: object,
) -> object:
    contents = (
        _file_contents(machine, os.fspath(file)) if isinstance(file, str | os.PathLike) else None
    )
    if contents is None or not mode.startswith("r"):
        return call(file, mode, *others, **named)
    return io.BytesIO(contents.encode()) if "b" in mode else io.StringIO(contents)


_OS_CALLS: Final[dict[str, Answer]] = {
    **dict.fromkeys(("getuid", "geteuid", "getgid", "getegid"), _constant(lambda m: m.uid)),
    **dict.fromkeys(("getresuid", "getresgid"), _constant(lambda m: (m.uid,) * 3)),
    **dict.fromkeys(("getpid", "getpgrp"), _constant(lambda m: m.pid)),
    **dict.fromkeys(("getppid", "getpgid", "getsid"), _constant(lambda m: m.parent)),
    "getgroups": _constant(lambda m: [m.uid]),
    "getlogin": _constant(lambda m: m.user),
    "cpu_count": _constant(lambda m: m.cpus),
    "sched_getaffinity": _constant(lambda m: set(range(m.cpus))),
    "getloadavg": _constant(lambda m: (m.load, m.load / 2, m.load / 3)),
    "sysconf": _sysconf,
    "uname": _uname,
    "statvfs": _statvfs,
    "fstatvfs": _statvfs,
}
_TIME_CALLS: Final[dict[str, Answer]] = {
    **dict.fromkeys(("time", "time_ns"), _from_clock),
    **dict.fromkeys(("monotonic", "monotonic_ns"), _from_start),
    **dict.fromkeys(("clock_gettime", "clock_gettime_ns"), _clock),
    **dict.fromkeys(("localtime", "gmtime", "ctime"), _broken_down),
    **dict.fromkeys(("strftime", "asctime"), _format_time),
}
_OTHER_CALLS: Final[tuple[tuple[Any, str, Answer], ...]] = (
    (socket, "gethostname", _constant(lambda m: m.host)),
    (socket, "getfqdn", _getfqdn),
    (threading, "get_native_id", _constant(lambda m: m.pid)),
    (pwd, "getpwuid", _getpwuid),
    (pwd, "getpwnam", _getpwnam),
    (grp, "getgrgid", _getgrgid),
)

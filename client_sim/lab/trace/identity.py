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
_KEPT: Final = (
    *(b"PATH", b"TMP", b"TEMP", b"PYTHON", b"LD_", b"SSL_", b"OPENSSL_", b"COV", b"PYTEST"),
    b"VIRTUAL",
)
_ZONE: Final = b"TZ"
_CARD: Final = re.compile(r"/sys/class/net/[^/]+/address")
# The mapping below `os.environ`, which would encode and decode each time; runs take milliseconds.
_ENVIRONMENT: Final[dict[bytes, bytes]] = vars(os)["environ"]._data  # noqa: SLF001  # its only name
_CLOCKS: Final = ("CLOCK_MONOTONIC", "CLOCK_MONOTONIC_RAW", "CLOCK_BOOTTIME")
BEGUN: Final = {
    number: time.clock_gettime(number)
    for number in (getattr(time, name) for name in _CLOCKS if hasattr(time, name))
}
"""The clocks that count from this machine's start, read when this module was imported.

They are subtracted, so that a simulated machine can have started recently although this one has
been up for days.
"""
_present: Machine | None = None
_bystanders: frozenset[threading.Thread] = frozenset()


@contextmanager
def on_machine(machine: Machine) -> Iterator[Callable[[Machine], None]]:
    """Make this process look like `machine` to code in the context and to threads that it starts.

    Yields a function that switches to another machine.
    """
    global _present, _bystanders  # noqa: PLW0603  # a machine is one per interpreter
    prepare_machines()
    before = _present, _bystanders
    environment, node = dict(_ENVIRONMENT), uuid.getnode()
    _bystanders = frozenset(threading.enumerate()) - {threading.current_thread()}
    kept = {name: value for name, value in environment.items() if name.startswith(_KEPT)}

    def become(machine: Machine) -> None:
        global _present  # noqa: PLW0603  # as above
        _set_environment({**kept, **_encode_environment(machine)})
        _set_node(machine.node)
        _present = machine

    become(machine)
    try:
        yield become
    finally:
        _present, _bystanders = before
        _set_environment(environment)
        _set_node(node)


@lru_cache(maxsize=64)
def _encode_environment(machine: Machine) -> dict[bytes, bytes]:
    return {name.encode(): value.encode() for name, value in machine.environment.items()}


def _set_environment(wanted: dict[bytes, bytes]) -> None:
    """Replace the interpreter's environment, and the time zone in the C library."""
    _ENVIRONMENT.clear()
    _ENVIRONMENT.update(wanted)
    if _ZONE in wanted:
        os.putenv(_ZONE, wanted[_ZONE])
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
    for name, answer in _OF_OS.items():
        _replace((os, posix), name, answer)
    for name, answer in _OF_TIME.items():
        _replace((time,), name, answer)
    for module, name, answer in _OTHERS:
        _replace((module,), name, answer)
    _replace((builtins, io), "open", _open)


def _replace(modules: tuple[Any, ...], name: str, answer: Answer) -> None:
    call = getattr(modules[0], name, None)
    if call is None:
        return  # not every system has every call

    @wraps(call)
    def look_and_answer(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401  # as it is called
        if _present is None or _is_bystander():
            return call(*arguments, **named)
        return answer(_present, call, *arguments, **named)

    for module in modules:
        setattr(module, name, look_and_answer)


def _is_bystander() -> bool:
    # Not `current_thread`, which creates a dummy object for a thread that is still starting.
    thread = threading._active.get(threading.get_ident())  # type: ignore[attr-defined]  # noqa: SLF001  # its only name
    return thread in _bystanders


def _always(tell: Callable[[Machine], Any]) -> Answer:
    return lambda machine, _call, *_arguments, **_named: tell(machine)


def _uname(machine: Machine, call: Answer) -> os.uname_result:
    real = call()
    told = (real.sysname, machine.host, machine.release, real.version, real.machine)
    return os.uname_result(told)


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
    told = machine.environment
    row = (machine.user, "x", machine.uid, machine.uid, "", told["HOME"], told["SHELL"])
    return pwd.struct_passwd(row)


def _getgrgid(machine: Machine, call: Answer, gid: int) -> grp.struct_group:
    return grp.struct_group((machine.user, "x", gid, [])) if gid == machine.uid else call(gid)


def _getfqdn(machine: Machine, call: Answer, name: str = "") -> str:
    return machine.host if name in {"", "0.0.0.0", machine.host} else str(call(name))  # noqa: S104


def _from_clock(machine: Machine, call: Answer) -> Any:  # noqa: ANN401  # seconds or nanoseconds
    return _later(call(), machine.clock)


def _from_start(machine: Machine, call: Answer) -> Any:  # noqa: ANN401  # as above
    return _later(call(), machine.uptime - BEGUN[time.CLOCK_MONOTONIC])


def _clock(machine: Machine, call: Answer, number: int) -> Any:  # noqa: ANN401  # as above
    is_real = number == time.CLOCK_REALTIME
    since = machine.uptime - BEGUN.get(number, 0.0)
    return _later(call(number), machine.clock if is_real else since)


def _later(now: float | int, seconds: float) -> float:  # noqa: PYI041  # nanoseconds stay whole
    return now + (seconds if isinstance(now, float) else round(seconds * 1e9))


def _broken_down(
    _machine: Machine, call: Answer, seconds: float | None = None
) -> time.struct_time | str:
    return call(read_clock() if seconds is None else seconds)  # type: ignore[no-any-return]


def _written(_machine: Machine, call: Answer, *arguments: Any) -> str:
    """Format a time, which is the last argument, or the current time if it is omitted."""
    whole = 2 if call.__name__ == "strftime" else 1
    told = arguments if len(arguments) == whole else (*arguments, time.localtime())
    return str(call(*told))


def _told(machine: Machine, path: str | bytes) -> str | None:
    """Return a machine's contents of a file, or None; all network cards have the same address."""
    name = os.fsdecode(path)
    if _CARD.fullmatch(name):
        return machine.node.to_bytes(6, "big").hex(":") + "\n"
    return machine.files.get(name)


def _open(
    machine: Machine,
    call: Answer,
    file: object,
    mode: str = "r",
    *more: object,
    **named: object,
) -> object:
    told = _told(machine, os.fspath(file)) if isinstance(file, str | os.PathLike) else None
    if told is None or not mode.startswith("r"):
        return call(file, mode, *more, **named)
    return io.BytesIO(told.encode()) if "b" in mode else io.StringIO(told)


_OF_OS: Final[dict[str, Answer]] = {
    **dict.fromkeys(("getuid", "geteuid", "getgid", "getegid"), _always(lambda m: m.uid)),
    **dict.fromkeys(("getresuid", "getresgid"), _always(lambda m: (m.uid,) * 3)),
    **dict.fromkeys(("getpid", "getpgrp"), _always(lambda m: m.pid)),
    **dict.fromkeys(("getppid", "getpgid", "getsid"), _always(lambda m: m.parent)),
    "getgroups": _always(lambda m: [m.uid]),
    "getlogin": _always(lambda m: m.user),
    "cpu_count": _always(lambda m: m.cpus),
    "sched_getaffinity": _always(lambda m: set(range(m.cpus))),
    "getloadavg": _always(lambda m: (m.load, m.load / 2, m.load / 3)),
    "sysconf": _sysconf,
    "uname": _uname,
    "statvfs": _statvfs,
    "fstatvfs": _statvfs,
}
_OF_TIME: Final[dict[str, Answer]] = {
    **dict.fromkeys(("time", "time_ns"), _from_clock),
    **dict.fromkeys(("monotonic", "monotonic_ns"), _from_start),
    **dict.fromkeys(("clock_gettime", "clock_gettime_ns"), _clock),
    **dict.fromkeys(("localtime", "gmtime", "ctime"), _broken_down),
    **dict.fromkeys(("strftime", "asctime"), _written),
}
_OTHERS: Final[tuple[tuple[Any, str, Answer], ...]] = (
    (socket, "gethostname", _always(lambda m: m.host)),
    (socket, "getfqdn", _getfqdn),
    (threading, "get_native_id", _always(lambda m: m.pid)),
    (pwd, "getpwuid", _getpwuid),
    (pwd, "getpwnam", _getpwnam),
    (grp, "getgrgid", _getgrgid),
)

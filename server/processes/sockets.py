"""The listening sockets: bound once, kept by the main process, passed to the workers.

A TCP address has one socket for each worker, so that the kernel distributes connections evenly
(SO_REUSEPORT). No socket is closed while the server runs, because closing it resets the connections
in its queue. All workers share a Unix socket. Instead systemd may bind the sockets; it is notified
when the process is ready.
"""

import contextlib
import errno
import os
import resource
import socket
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from server.processes.errors import ActivationError
from server.storage.errors import StorageError

BACKLOG = 4096  # connections that wait for a worker; the kernel's `somaxconn` limits it, too
UNIX_MODE = 0o660  # the proxy is in the server's group; no other user can connect
UNIX_PATH_LIMIT = 107  # bytes of `sun_path`, less the NUL
ABSENT = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})
_NEW = ".new"
FIRST = 3  # the descriptor of the first passed socket (SD_LISTEN_FDS_START)
MAX_SOCKETS = 1024  # passed sockets; a worker has one for each address
_FAMILIES = {socket.AF_INET, socket.AF_INET6, socket.AF_UNIX}


def bind_tcp(host: str, port: int, count: int) -> list[socket.socket]:
    """Return `count` listening sockets for each address of `host`, all at the same port.

    Port 0 is a free port. Raises StorageError if the port is in use, or `host` is not an address of
    this machine.
    """
    bound: list[socket.socket] = []
    lacking = ""
    try:
        for family, address in _addresses(host, port):
            place = (address[0], bound[0].getsockname()[1] if bound else port, *address[2:])
            try:
                # With SO_REUSEPORT a second server of the same user could bind, too, unnoticed.
                _bind(family, place, is_shared=False).close()
            except OSError as error:
                if error.errno not in ABSENT:
                    raise
                lacking = error.strerror or ""  # the machine may lack some of a name's addresses
                continue
            for _ in range(count):
                one = _bind(family, place, is_shared=count > 1)
                bound.append(one)
                place = one.getsockname()
        for each in bound:
            each.listen(BACKLOG)
    except OSError as error:
        for each in bound:
            each.close()
        if error.errno == errno.EADDRINUSE:
            raise StorageError(f"port {port} is in use: choose another with --port.") from error
        raise StorageError(f"{host} port {port} cannot be bound: {error.strerror}.") from error
    if not bound:
        raise StorageError(f"{host} port {port} cannot be bound: {lacking}.")
    return bound


@contextlib.contextmanager
def bound_unix(path: Path, mode: int = UNIX_MODE) -> Iterator[socket.socket]:
    """Listen on a Unix socket of `mode` until the block ends, then remove its file.

    The file of a dead server is replaced atomically; the new one has its final mode from the
    beginning. Raises StorageError if another server listens there, or the file is not a socket.
    """
    if len(bytes(path)) + len(_NEW) > UNIX_PATH_LIMIT:
        raise StorageError(
            f"{path} is too long for a socket: it may have {UNIX_PATH_LIMIT - len(_NEW)} bytes."
        )
    _check_stale(path)
    new = path.with_name(path.name + _NEW)
    one = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        new.unlink(missing_ok=True)
        one.bind(str(new))
        new.chmod(mode)
        one.listen(BACKLOG)
        one.setblocking(False)
        inode = new.stat().st_ino
        new.rename(path)
    except OSError as error:
        one.close()
        raise StorageError(f"{path} cannot be listened on: {error.strerror}.") from error
    try:
        yield one
    finally:
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_ino == inode:  # and not a later server's
                path.unlink()
        one.close()


def share(sockets: Sequence[socket.socket], workers: int) -> list[list[socket.socket]]:
    """Return the sockets of each worker; all sockets are used.

    If an address has enough sockets, each worker gets its own; otherwise several workers share one.
    """
    shares: list[list[socket.socket]] = [[] for _ in range(workers)]
    groups: dict[object, list[socket.socket]] = {}
    for each in sockets:
        groups.setdefault((each.family, each.getsockname()), []).append(each)
    for group in groups.values():
        for turn in range(max(workers, len(group))):
            shares[turn % workers].append(group[turn % len(group)])
    return shares


def _addresses(host: str, port: int) -> list[tuple[socket.AddressFamily, tuple[Any, ...]]]:
    try:
        found = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except (socket.gaierror, UnicodeError) as error:
        raise StorageError(f"{host} is not an address of this machine.") from error
    return list(dict.fromkeys((family, address) for family, _, _, _, address in found))


def _bind(family: int, address: tuple[Any, ...], *, is_shared: bool) -> socket.socket:
    one = socket.socket(family, socket.SOCK_STREAM)
    try:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if is_shared:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        one.setblocking(False)
        one.bind(address)
    except OSError:
        one.close()
        raise
    return one


def _check_stale(path: Path) -> None:
    """Raise StorageError unless `path` is free, or a socket without a listener."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise StorageError(f"{path} exists and is not a socket: choose another with --socket.")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)  # a server with a full queue still listens
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            return
        except BlockingIOError:
            pass
        except OSError as error:
            raise StorageError(f"{path} cannot be connected to: {error.strerror}.") from error
    raise StorageError(f"another server listens on {path}: choose another with --socket.")


def raise_descriptor_limit() -> None:
    """Raise the soft limit of descriptors to the hard limit; child processes inherit it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == hard:  # a service manager may have set it and forbidden changes
        return
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def decode_activation(environment: Mapping[str, str], pid: int) -> range:
    """Return the descriptors that were passed to the process `pid`; pure.

    The range is empty if there are no variables, or they are for another process. Raises
    ActivationError if they are malformed.
    """
    if "LISTEN_FDS" not in environment or "LISTEN_PID" not in environment:
        return range(FIRST, FIRST)
    if _number("LISTEN_PID", environment["LISTEN_PID"], 1 << 22) != pid:
        return range(FIRST, FIRST)
    count = _number("LISTEN_FDS", environment["LISTEN_FDS"], MAX_SOCKETS)
    return range(FIRST, FIRST + count)


def inherit_sockets(descriptors: range) -> list[socket.socket]:
    """Take over passed listening sockets, and mark them as not inheritable.

    Raises ActivationError for a descriptor that is not a listening stream socket.
    """
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(_take_over(descriptor)) for descriptor in descriptors]
        stack.pop_all()
    return sockets


def _take_over(descriptor: int) -> socket.socket:
    try:
        os.set_inheritable(descriptor, False)
        one = socket.socket(fileno=descriptor)
    except OSError as error:
        raise ActivationError(
            f"descriptor {descriptor}, which LISTEN_FDS announces, is not a socket."
        ) from error
    if (
        one.family not in _FAMILIES
        or one.type != socket.SOCK_STREAM
        or not one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    ):
        one.close()
        raise ActivationError(
            f"the socket passed as descriptor {descriptor} does not listen for streams: use"
            " ListenStream= and Accept=no."
        )
    one.setblocking(False)
    return one


def _number(name: str, text: str, most: int) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 10 or int(text) > most:
        raise ActivationError(f"{name} is not a number from 0 to {most}.")
    return int(text)


def notify(address: str, state: str) -> None:
    """Send `state`, such as READY=1, to NOTIFY_SOCKET's `address`; do nothing if it is empty.

    Failures are ignored, because the service manager has its own timeout.
    """
    if not address.startswith(("/", "@")):
        return
    name = f"\0{address[1:]}" if address.startswith("@") else address
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as one:
        try:
            one.connect(name)
            one.send(state.encode())
        except OSError:
            return

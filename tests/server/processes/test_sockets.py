"""Listening sockets: one for each worker, none taken over, none left behind."""

import contextlib
import os
import socket
import stat
from collections import Counter
from contextlib import ExitStack, closing
from functools import partial
from itertools import product

import pytest

from server.processes.sockets import UNIX_MODE, bind_tcp, bound_unix, share
from server.storage.errors import StorageError


@pytest.fixture
def bound():
    """Bind as the server does, and close at the end."""
    with ExitStack() as stack:

        def bind(*args):
            found = bind_tcp(*args)
            for each in found:
                stack.enter_context(closing(each))
            return found

        yield bind


def test_a_socket_for_each_worker(bound):
    """They have one port, listen, and are not inherited."""
    sockets = bound("127.0.0.1", 0, 3)
    assert len({each.getsockname() for each in sockets}) == 1
    assert len({each.fileno() for each in sockets}) == 3
    assert all(each.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) for each in sockets)
    assert not any(os.get_inheritable(each.fileno()) for each in sockets)


def test_a_name_of_several_addresses(bound):
    """Each address has its sockets, all at the same port."""
    sockets = bound("localhost", 0, 2)
    assert len({each.getsockname()[1] for each in sockets}) == 1
    assert set(Counter(each.family for each in sockets).values()) == {2}


def test_a_port_in_use(bound):
    """No process can join a running server, not even one that could share its port."""
    (first, *_) = bound("127.0.0.1", 0, 2)
    for count in (1, 2):
        with pytest.raises(StorageError, match=r"port \d+ is in use: choose another with --port"):
            bound("127.0.0.1", first.getsockname()[1], count)


def test_a_host_that_is_not_here(bound):
    """The error is one sentence, whatever is wrong with it."""
    for host in ("192.0.2.1", "no such name", "a" * 64 + ".example"):
        with pytest.raises(StorageError, match=r"192\.0\.2\.1 port 0 cannot be|is no address"):
            bound(host, 0, 1)


def test_a_unix_socket(tmp_path):
    """Only owner and group may connect, from the first moment; it is removed with the server."""
    path = tmp_path / "hening.sock"
    with bound_unix(path) as one:
        assert stat.S_IMODE(path.stat().st_mode) == UNIX_MODE == 0o660
        assert not os.get_inheritable(one.fileno())
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
        assert list(tmp_path.iterdir()) == [path]
    assert list(tmp_path.iterdir()) == []


def test_a_socket_that_a_dead_server_left(tmp_path):
    """It is replaced, and so are leftovers of a server that died while binding."""
    path = tmp_path / "hening.sock"
    for name in (path, path.with_name("hening.sock.new")):
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(name))
    with bound_unix(path), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        assert list(tmp_path.iterdir()) == [path]


def test_a_server_that_lives(tmp_path):
    """Its socket stays, also with a full queue, and so does any other file."""
    path = tmp_path / "hening.sock"
    with socket.socket(socket.AF_UNIX) as other, ExitStack() as stack:
        other.bind(str(path))
        other.listen(0)
        refusing = partial(pytest.raises, StorageError, match="another server listens on")
        with refusing(), bound_unix(path):
            pass
        with contextlib.suppress(BlockingIOError):
            while True:
                client = stack.enter_context(socket.socket(socket.AF_UNIX))
                client.setblocking(False)
                client.connect(str(path))
        with refusing(), bound_unix(path):
            pass
    path.unlink()
    path.write_text("a letter")
    with pytest.raises(StorageError, match="is there and is no socket"), bound_unix(path):
        pass
    assert path.read_text() == "a letter"


def test_a_successor_keeps_its_own(tmp_path):
    """A server that ends later than its successor began leaves the successor's socket alone."""
    path = tmp_path / "hening.sock"
    with socket.socket(socket.AF_UNIX) as successor:
        with bound_unix(path):
            path.unlink()
            successor.bind(str(path))
            successor.listen()
        assert path.is_socket()
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))


def test_paths_that_cannot_be(tmp_path):
    """Too long for the kernel, or in a missing folder."""
    for path, sentence in (
        (tmp_path / ("x" * 108), "is too long for a socket: 103 bytes"),
        (tmp_path / "none" / "s", "cannot be listened on: No such file or directory"),
    ):
        with pytest.raises(StorageError, match=sentence), bound_unix(path):
            pass


def test_shares(bound):
    """Every socket has a worker and every worker a socket of each address, evenly."""
    for workers, count in product(range(1, 6), repeat=2):
        first, second = bound("127.0.0.1", 0, count), bound("127.0.0.1", 0, 1)
        shares = share([*first, *second], workers)
        assert len(shares) == workers
        for group, most in ((first, -(-max(workers, count) // workers)), (second, 1)):
            found = [[each for each in mine if each in group] for mine in shares]
            assert all(1 <= len(mine) <= most for mine in found)
            dealt = {each.fileno() for mine in found for each in mine}
            assert dealt == {each.fileno() for each in group}
        assert share([], workers) == [[] for _ in range(workers)]

"""Listening sockets: bound by the server, or passed by systemd."""

import contextlib
import os
import socket
import stat
from collections import Counter
from contextlib import ExitStack, closing
from functools import partial
from itertools import product

import pytest

from server.processes.errors import ActivationError
from server.processes.sockets import (
    MAX_SOCKETS,
    UNIX_MODE,
    bind_tcp,
    bound_unix,
    decode_activation,
    inherit_sockets,
    notify,
    share,
)
from server.storage.errors import StorageError
from tests.cases import case


@pytest.fixture
def bound():
    """Return a function that binds sockets as the server does; they are closed after the test."""
    with ExitStack() as stack:

        def bind(*args):
            found = bind_tcp(*args)
            for each in found:
                stack.enter_context(closing(each))
            return found

        yield bind


def test_one_socket_for_each_worker(bound):
    """Each worker has a socket with the same port, which is not inherited."""
    sockets = bound("127.0.0.1", 0, 3)
    assert len({each.getsockname() for each in sockets}) == 1
    assert len({each.fileno() for each in sockets}) == 3
    assert all(each.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) for each in sockets)
    assert not any(os.get_inheritable(each.fileno()) for each in sockets)


def test_host_name_with_several_addresses(bound):
    """Each address of a name has its sockets, all with the same port."""
    sockets = bound("localhost", 0, 2)
    assert len({each.getsockname()[1] for each in sockets}) == 1
    assert set(Counter(each.family for each in sockets).values()) == {2}


def test_port_in_use(bound):
    """No process can share a running server's port."""
    (first, *_) = bound("127.0.0.1", 0, 2)
    for count in (1, 2):
        with pytest.raises(StorageError, match=r"port \d+ is in use: choose another with --port"):
            bound("127.0.0.1", first.getsockname()[1], count)


def test_host_of_another_machine(bound):
    """Any error about the host is one sentence."""
    for host in ("192.0.2.1", "no such name", "a" * 64 + ".example"):
        with pytest.raises(StorageError, match=r"192\.0\.2\.1 port 0 cannot be|is not an address"):
            bound(host, 0, 1)


def test_unix_socket(tmp_path):
    """Only owner and group may connect to a Unix socket, which is removed with the server."""
    path = tmp_path / "hening.sock"
    with bound_unix(path) as one:
        assert stat.S_IMODE(path.stat().st_mode) == UNIX_MODE == 0o660
        assert not os.get_inheritable(one.fileno())
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
        assert list(tmp_path.iterdir()) == [path]
    assert list(tmp_path.iterdir()) == []


def test_socket_of_a_dead_server_is_replaced(tmp_path):
    """A dead server's socket and temporary files are replaced."""
    path = tmp_path / "hening.sock"
    for name in (path, path.with_name("hening.sock.new")):
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(name))
    with bound_unix(path), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        assert list(tmp_path.iterdir()) == [path]


def test_socket_of_a_running_server_is_kept(tmp_path):
    """A running server's socket is kept, even with a full queue, as is any other file."""
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
    with pytest.raises(StorageError, match="exists and is not a socket"), bound_unix(path):
        pass
    assert path.read_text() == "a letter"


def test_socket_of_a_successor_is_kept(tmp_path):
    """A server that ends late does not remove its successor's socket."""
    path = tmp_path / "hening.sock"
    with socket.socket(socket.AF_UNIX) as successor:
        with bound_unix(path):
            path.unlink()
            successor.bind(str(path))
            successor.listen()
        assert path.is_socket()
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))


def test_invalid_socket_paths(tmp_path):
    """A path that is too long, or in a missing folder, is refused."""
    for path, sentence in (
        (tmp_path / ("x" * 108), "is too long for a socket: it may have 103 bytes"),
        (tmp_path / "none" / "s", "cannot be listened on: No such file or directory"),
    ):
        with pytest.raises(StorageError, match=sentence), bound_unix(path):
            pass


def test_sockets_are_divided_among_workers(bound):
    """Sockets are divided evenly among workers, with one of each address for every worker."""
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


def test_activation_of_this_process():
    """The announced number of sockets is taken from descriptor 3 on."""
    variables = {"LISTEN_PID": "4711", "LISTEN_FDS": "2", "LISTEN_FDNAMES": "a:b"}
    assert decode_activation(variables, 4711) == range(3, 5)
    assert decode_activation({**variables, "LISTEN_FDS": "0"}, 4711) == range(3, 3)
    assert (
        len(decode_activation({**variables, "LISTEN_FDS": str(MAX_SOCKETS)}, 4711)) == MAX_SOCKETS
    )


def test_activation_of_another_process():
    """Variables meant for another process are ignored."""
    for variables in (
        {},
        {"LISTEN_FDS": "2"},
        {"LISTEN_PID": "4711"},
        {"LISTEN_PID": "4712", "LISTEN_FDS": "2"},
        {"LISTEN_PID": "4712", "LISTEN_FDS": "rubbish"},
    ):
        assert len(decode_activation(variables, 4711)) == 0, variables


def test_malformed_activation_variables():
    """Malformed variables are refused, and the error names them."""
    texts = ["", "-1", "+1", "1 ", " 1", "1_0", "0x1", "1.0", "99999999", "9" * 5000]
    texts += ["\u00b2", "\u0661"]
    for name, text in product(("LISTEN_PID", "LISTEN_FDS"), texts):
        variables = {"LISTEN_PID": "4711", "LISTEN_FDS": "1", name: text}
        with (
            case(variables),
            pytest.raises(ActivationError, match=f"{name} is not a number from 0 to"),
        ):
            decode_activation(variables, 4711)


def test_passed_sockets_are_taken_over():
    """Passed sockets are used unchanged and are not inherited."""
    with closing(socket.create_server(("127.0.0.1", 0))) as passed:
        descriptor = os.dup(passed.fileno())
        os.set_inheritable(descriptor, True)
        (taken,) = inherit_sockets(range(descriptor, descriptor + 1))
        with closing(taken):
            assert taken.getsockname() == passed.getsockname()
            assert not os.get_inheritable(taken.fileno())
            assert not taken.getblocking()


def test_unusable_passed_descriptors(tmp_path):
    """An unusable descriptor is refused with its number."""
    one, other = socket.socketpair()
    with (
        closing(one),
        closing(other),
        closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as datagrams,
        closing(socket.socket()) as not_listening,
        (tmp_path / "file").open("wb") as file,
    ):
        for source in (datagrams, not_listening, one, file, None):
            descriptor = os.dup((source or file).fileno())
            if source is None:
                os.close(descriptor)
            with (
                case(source),
                pytest.raises(
                    ActivationError, match=f"{descriptor}[ ,].*(not a socket|not listen)"
                ),
            ):
                inherit_sockets(range(descriptor, descriptor + 1))


@pytest.mark.parametrize("is_abstract", [False, True])
def test_notification_of_the_service_manager(tmp_path, is_abstract):
    """The service manager is notified at a path or an abstract name."""
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(f"\0{address}" if is_abstract else address)
        notify(f"@{address}" if is_abstract else address, "READY=1")
        assert manager.recv(100) == b"READY=1"


@pytest.mark.parametrize("form", ["", "vsock:1:2", "/nowhere{}", "@{}"])
def test_notification_without_a_service_manager(tmp_path, form):
    """Without a service manager, or with one that is gone, there is no error."""
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.bind(address)
        other.setblocking(False)
        notify(form.format(address), "READY=1")
        with pytest.raises(BlockingIOError):
            other.recv(100)

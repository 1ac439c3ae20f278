"""Passed sockets: the variables are parsed strictly, the descriptors are checked."""

import os
import socket
from contextlib import closing
from itertools import product

import pytest

from server.processes.errors import ActivationError
from server.processes.systemd import MOST, decode_activation, inherit_sockets, notify
from tests.cases import case


def test_passed_to_this_process():
    """As many as announced, from descriptor 3 on."""
    told = {"LISTEN_PID": "4711", "LISTEN_FDS": "2", "LISTEN_FDNAMES": "a:b"}
    assert decode_activation(told, 4711) == range(3, 5)
    assert decode_activation({**told, "LISTEN_FDS": "0"}, 4711) == range(3, 3)
    assert len(decode_activation({**told, "LISTEN_FDS": str(MOST)}, 4711)) == MOST


def test_nothing_for_this_process():
    """Variables that a parent did not remove are not ours."""
    for told in (
        {},
        {"LISTEN_FDS": "2"},
        {"LISTEN_PID": "4711"},
        {"LISTEN_PID": "4712", "LISTEN_FDS": "2"},
        {"LISTEN_PID": "4712", "LISTEN_FDS": "rubbish"},
    ):
        assert len(decode_activation(told, 4711)) == 0, told


def test_malformed_variables():
    """One encoding of a number is accepted, within limits; all others are refused by name."""
    texts = ["", "-1", "+1", "1 ", " 1", "1_0", "0x1", "1.0", "99999999", "9" * 5000]
    texts += ["\u00b2", "\u0661"]
    for name, text in product(("LISTEN_PID", "LISTEN_FDS"), texts):
        told = {"LISTEN_PID": "4711", "LISTEN_FDS": "1", name: text}
        with case(told), pytest.raises(ActivationError, match=f"{name} is no number from 0 to"):
            decode_activation(told, 4711)


def test_listening_sockets():
    """They are used unchanged, and not inherited."""
    with closing(socket.create_server(("127.0.0.1", 0))) as passed:
        descriptor = os.dup(passed.fileno())
        os.set_inheritable(descriptor, True)
        (taken,) = inherit_sockets(range(descriptor, descriptor + 1))
        with closing(taken):
            assert taken.getsockname() == passed.getsockname()
            assert not os.get_inheritable(taken.fileno())
            assert not taken.getblocking()


def test_what_cannot_be_served_on(tmp_path):
    """Each is refused with its descriptor's number, before any request is served."""
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
            with case(source), pytest.raises(ActivationError, match=f"{descriptor} .*no(t l| s)"):
                inherit_sockets(range(descriptor, descriptor + 1))


@pytest.mark.parametrize("is_abstract", [False, True])
def test_a_manager_hears(tmp_path, is_abstract):
    """At a path, and at a name of Linux' abstract kind."""
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(f"\0{address}" if is_abstract else address)
        notify(f"@{address}" if is_abstract else address, "READY=1")
        assert manager.recv(100) == b"READY=1"


@pytest.mark.parametrize("form", ["", "vsock:1:2", "/nowhere{}", "@{}"])
def test_no_manager_hears(tmp_path, form):
    """No manager, one of another kind, or one that is gone: no error, and no other one hears."""
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.bind(address)
        other.setblocking(False)
        notify(form.format(address), "READY=1")
        with pytest.raises(BlockingIOError):
            other.recv(100)

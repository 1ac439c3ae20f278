"""What a service manager is told."""

import socket

import pytest

from server.processes.notify import notify


@pytest.mark.parametrize("is_abstract", [False, True])
def test_a_manager_hears(tmp_path, is_abstract):
    """At a path, and at a name of Linux' abstract kind."""
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(f"\0{address}" if is_abstract else address)
        notify(f"@{address}" if is_abstract else address, "READY=1")
        assert manager.recv(100) == b"READY=1"


@pytest.mark.parametrize("address", ["", "vsock:1:2", "/nowhere/at/all", "@nobody-is-here"])
def test_nobody_hears(address):
    """No manager, one of another kind, or one that is gone: no error."""
    notify(address, "READY=1")

"""The command line in this process, and a port in use."""

import socket
import sys

import pytest

from server import cli


@pytest.fixture
def run(monkeypatch, capsys):
    """Run a command in this process; returns exit status, stdout and stderr."""
    # The log would write to a standard error that is closed when the test ends.
    monkeypatch.setattr("server.observability.configure_logging", lambda: None)

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["hening-server", *map(str, words)])
        try:
            cli.main()
            status = 0
        except SystemExit as end:
            status = end.code or 0
        out, err = capsys.readouterr()
        return status, out, err

    return call


@pytest.fixture
def direct_port():
    """Give a port that is in use."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        yield taken.getsockname()[1]

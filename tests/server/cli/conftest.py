"""The command line in this process, and a port that is taken."""

import importlib
import socket
import sys

import pytest


@pytest.fixture
def run(monkeypatch, capsys):
    """Run a command in this process; returns exit status, stdout and stderr."""
    # Not imported above: its log goes to what standard error is at the first import, and that of a
    # session's collection is another one than that of its tests.
    cli = importlib.import_module("server.cli")

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
    """Give a port on which something listens already."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        yield taken.getsockname()[1]

"""Fixtures: the command line in the test's process, a state, and a port in use."""

import json
import socket
import sys

import pytest

from server import cli
from tests.server.ceremony import release
from tests.server.world import PACKAGE_1, PACKAGE_2


@pytest.fixture
def state(second):
    """Return the state folder of a server with two builds, which offers the first."""
    return second.folder.root


@pytest.fixture
def promoted(world):
    """Return a state folder with two builds in two channels, one of which was never offered."""
    files = {
        f"armani/id/{channel}/armani-{number}.zip": (data, release(number))
        for channel in ("stable", "beta")
        for number, data in ((1, PACKAGE_1), (2, PACKAGE_2))
    }
    role = world.ceremony.role("armani", 3, files)
    assert world.publish({("armani", 3): role}, [PACKAGE_2]).reason == ""
    return world.folder.root


@pytest.fixture
def run(monkeypatch, capsys):
    """Return a function that runs a command; it returns exit status, stdout and stderr."""
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
def ask(run, state):
    """Return a function that runs a command on the state and returns its JSON."""

    def call(*words):
        status, out, err = run(*words, "--state", state, "--json")
        assert (status, err) == (0, "")
        return json.loads(out)

    return call


@pytest.fixture
def findings(run, request):
    """Return a function that runs `check` and returns each finding."""

    def check(*words, folder=None):
        folder = folder or request.getfixturevalue("state")
        status, out, err = run("check", "--state", folder, "--json", *words)
        found = [(row["subject"], row["error"]) for row in json.loads(out) if row["error"]]
        assert (status, err) == (1 if found else 0, "")
        return found

    return check


@pytest.fixture
def direct_port():
    """Yield a port that is in use."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        yield taken.getsockname()[1]


def check_sentence(err):
    """Assert that an error is one line that begins with the program's name."""
    assert err.startswith("hening-server: ")
    assert err.count("\n") == 1
    assert "Traceback" not in err

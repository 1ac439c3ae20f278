"""The output of `run` once it listens."""

import contextlib
import os
import signal

import pytest

HERE = ("--host", "127.0.0.1", "--port", "0", "--api-port", "0", "--console")


@pytest.fixture
def listening(run, world, monkeypatch):
    """Return a function that starts a server at ports 8080 and 8090, which ends once it listens."""

    @contextlib.asynccontextmanager
    async def running(*_arguments, announce_api, **_options):
        announce_api(8090)
        os.kill(os.getpid(), signal.SIGTERM)
        yield 8080

    monkeypatch.setattr("server.app.running", running)
    return lambda *options: run("run", "--state", world.folder.root, *HERE, *options)


@pytest.mark.parametrize(
    ("options", "address"),
    [
        ((), "http://127.0.0.1:8090/console/"),
        (("--api-host", "::1"), "http://[::1]:8090/console/"),
        (("--console-url", "https://control.example"), "https://control.example/console/"),
    ],
)
def test_the_consoles_address_is_printed_last(listening, options, address):
    """In the form that a browser takes; the API's address comes first."""
    status, out, err = listening(*options)
    assert (status, err) == (0, "")
    phones, api, console = out.splitlines()
    assert phones == "http://127.0.0.1:8080"
    assert api.endswith(":8090/api/v1")
    assert console == address


def test_a_console_without_the_port_that_serves_it_is_wrong_usage(run, world):
    """The console would not be served, and no output would say so."""
    status, out, err = run("run", "--state", world.folder.root, "--port", "0", "--console")
    assert (status, out) == (2, "")
    assert "give --api-port as well." in err

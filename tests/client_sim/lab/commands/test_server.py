"""Statuses of `lab server`, and its output for a leaky server."""

import json
import shlex
import sys
from functools import partial

import pytest
from click.testing import CliRunner

from client_sim.lab.commands import lab
from client_sim.lab.oracles.finding import Finding
from client_sim.lab.server_mutants.library import SERVER_MUTANTS
from client_sim.lab.server_side.inputs import (
    FRESH,
    Check,
    ServerInputs,
    ServerVerdict,
    plan_site,
    plan_sources,
    server_to_dict,
)
from tests.cases import case
from tests.ports import free_port


def call(*arguments):
    """Run the command."""
    return CliRunner().invoke(lab, ["server", *map(str, arguments)])


@pytest.fixture
def leaky(tmp_path):
    """Run a server that echoes paths on its error page; return its URL and its folder."""
    (mutant,) = (mutant for mutant in SERVER_MUTANTS if mutant.id == "l57-echo-page")
    folder = tmp_path / "kept"
    folder.mkdir()
    running = mutant.make(folder, 1)
    yield f"http://127.0.0.1:{running.port}", folder
    running.close()


@pytest.mark.usefixtures("few_positions")
def test_leak_exits_1_and_is_shown(leaky, monkeypatch):
    """The output lists what was not examined, and the restart command was run."""
    # Computing canaries with two layers takes most of a minute.
    monkeypatch.setattr(
        "client_sim.lab.commands.server.ServerInputs", partial(ServerInputs, layers=1, batch=20)
    )
    url, folder = leaky
    mark = folder / "restarted"
    touch = shlex.join([sys.executable, "-c", f"open({str(mark)!r}, 'w')"])
    result = call("--url", url, "--settle", 0, "--restart", touch, "--search", folder)
    assert result.exit_code == 1, result.output
    assert mark.exists()
    assert "LEAK (answers)" in result.output
    assert "Not examined: Memory" in result.output
    assert "Not examined: Metrics" in result.output
    assert "--restart" not in result.stdout
    assert "searching …" in result.stderr


def test_json_of_a_verdict():
    """Findings have their bytes in hexadecimal, and what was not examined is listed."""
    finding = Finding("a file, byte 7", "path is there", b"xabcx", 1, 3)
    checks = (Check("files", "Is it?", 3, 1, (finding,)), Check("metrics", "Is it?", 1, 0, ()))
    data = server_to_dict(ServerVerdict("a", 9, 8, 3, checks, ("Memory.",)))
    assert json.loads(json.dumps(data)) == data
    assert (data["clean"], data["not_looked_at"]) == (False, ["Memory."])
    assert [check["passed"] for check in data["checks"]] == [False, True]
    assert data["checks"][0]["findings"][0]["offending"] == b"abc".hex()


def test_invalid_options_exit_2():
    """Nothing is sent."""
    for arguments, message in (
        (("--url", "ftp://a"), "is not http://HOST:PORT"),
        (("--url", "http://a:b"), "is not a URL"),
        (("--url", "http://a/b"), "with no path"),
        (("--url", "http://127.0.0.1:1", "--source", "a"), "is not an address"),
        (("--url", "http://127.0.0.1:1", "--path", "a"), "is not a path"),
        (("--url", "http://127.0.0.1:1", "--restart", "'"), "is not a command"),
        (("--url", "http://127.0.0.1:1", "--against", "b"), "is not http://HOST:PORT"),
        (("--url", "http://127.0.0.1:1", "--search", "/nonexistent"), "does not exist"),
        ((), "Missing option"),
    ):
        with case(arguments, message):
            result = call(*arguments)
            assert result.exit_code == 2
            assert message in " ".join(result.output.split()).replace("│ ", "")


def test_unreachable_server_exits_3():
    """Without a server there is no verdict."""
    for arguments, message in (
        ((), "cannot be reached"),
        (("--source", "192.0.2.7"), "cannot be reached from 192.0.2.7"),
    ):
        with case(arguments, message):
            result = call("--url", f"http://127.0.0.1:{free_port()}", *arguments)
            assert result.exit_code == 3
            assert message in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--pid", 4_194_304), "there is no process 4194304"),
        (("--metrics", "file:///etc/passwd"), "is not a metrics URL"),
        (("--metrics", "http://127.0.0.1:1/metrics"), "cannot be read"),
    ],
)
def test_unreadable_source_exits_3(leaky, arguments, message):
    """The status does not depend on findings elsewhere."""
    result = call("--url", leaky[0], "--settle", 0, *arguments)
    assert result.exit_code == 3
    assert message in result.output


def test_source_addresses():
    """Fresh addresses of 127/8 first on loopback; otherwise the given ones or the default."""
    near, far = plan_site("http://127.0.0.1:8080"), plan_site("https://192.0.2.1")
    sources = plan_sources(near, (), bytes)
    assert sources == ["127.64.64.64"] * FRESH + ["127.0.0.1", "127.0.0.2"]
    assert plan_sources(far, (), bytes) == [""]
    assert plan_sources(far, ("192.0.2.7",), bytes) == ["192.0.2.7"]
    assert (far.port, far.tls, far.name, far.host) == (443, True, "192.0.2.1", "192.0.2.1")
    named = plan_site("http://192.0.2.1:8080", "updates.example.org:80")
    assert (named.host, named.name, named.address) == (
        *("updates.example.org:80", "updates.example.org", "192.0.2.1"),
    )

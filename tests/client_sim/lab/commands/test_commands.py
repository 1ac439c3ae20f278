"""Statuses, output and progress of `lab run` and `lab explain`."""

import json
import signal
import subprocess
import sys
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from client_sim.lab.clients.toy import ToyClient
from client_sim.lab.commands import lab
from client_sim.lab.commands import run as run_module
from client_sim.lab.commands.running import ending_with_children, show_progress
from client_sim.lab.errors import ClientOverdueError
from client_sim.lab.programme import live
from client_sim.lab.programme.live import examine_live, make_live_batteries
from client_sim.lab.programme.setting import observe
from client_sim.lab.programme.testbed import plan_testbed
from client_sim.lab.scenarios.generators import idle
from client_sim.lab.scenarios.owners import make_lifelike
from client_sim.persona import make_persona
from tests.cases import case
from tests.client_sim.lab.report.conftest import POLL
from tests.patience import until

OWNER = make_lifelike(make_persona(b"0 owner 0"))  # the lab's first owner for seed 0


def call(*arguments):
    """Run a command."""
    return CliRunner().invoke(lab, [str(argument) for argument in arguments])


@pytest.fixture
def root(tmp_path):
    """Write a file in place of the ROM's root."""
    path = tmp_path / "root.json"
    signed = {"_type": "root", "version": 1, "keys": {}, "roles": {}}
    path.write_text(json.dumps({"signatures": [], "signed": signed}))
    return path


@pytest.fixture
def url(server):
    """Return the URL of the running server."""
    return f"http://updates.example.org:{server.server_address[1]}"


@pytest.fixture
def examine(url, root, monkeypatch):
    """Return a function that runs `lab run` with a few batteries; each client is examined once."""
    examined = {}

    def make(*how):
        return [b for b in make_live_batteries(*how) if b.oracle in {"personal", "sockets"}]

    def examine_once(*how, name, **more):
        if name not in examined:
            examined[name] = examine_live(*how, name=name, **more)
        return examined[name]

    monkeypatch.setattr(live, "make_live_batteries", make)
    monkeypatch.setattr(run_module, "examine_live", examine_once)
    return partial(call, "run", "--url", url, "--root", root, "--pairs", 1)


def test_clean_client_exits_0(examine, tmp_path):
    """The table is printed, and the page is written."""
    page = tmp_path / "page.html"
    result = examine("--client", "toy", "--html", page)
    assert result.exit_code == 0, result.output
    assert "No difference in" in result.output
    assert "sockets" in result.output
    assert page.read_text().startswith("<!doctype html>")


def test_leaky_client_exits_1_and_shows_the_bytes(examine, tmp_path):
    """With `--show-personal` the IMEI is in every form of the report."""
    page, junit, sarif = tmp_path / "page.html", tmp_path / "junit.xml", tmp_path / "it.sarif"
    files = ("--html", page, "--junit", junit, "--sarif", sarif)
    result = examine("--client", "2014", "--show-personal", *files)
    assert result.exit_code == 1
    assert "LEAK" in result.output
    value = f"imei as it is: {OWNER.imei}"
    for text in (result.output, page.read_text(), junit.read_text(), sarif.read_text()):
        assert value in text

    # JSON has the same verdict; the bytes are at their offsets, and values are redacted.
    result = examine("--client", "2014", "--json")
    assert result.exit_code == 1
    verdict = json.loads(result.stdout)
    assert verdict["clean"] is False
    failed = {check["name"] for check in verdict["checks"] if not check["passed"]}
    assert {"grammar", "egress", "canaries", "personal", "schedule"} <= failed
    assert set(verdict["outcomes"]) == {"asked, by name"}
    for check in verdict["checks"]:
        for finding in check["findings"]:
            start = finding["offset"] * 2
            assert finding["octets"][start:].startswith(finding["offending"])
    canaries = next(check for check in verdict["checks"] if check["name"] == "canaries")
    assert {bytes.fromhex(f["offending"]).strip(b"*") for f in canaries["findings"]} == {b""}
    assert OWNER.imei not in result.stdout
    assert OWNER.imei.encode().hex() not in result.stdout


def test_wrong_root_is_unproven(examine, root, tmp_path):
    """The phone refuses its root and sends nothing, which proves nothing."""
    page = tmp_path / "page.html"
    result = examine("--json", "--html", page)
    assert result.exit_code == 1
    checks = json.loads(result.stdout)["checks"]
    assert [check["name"] for check in checks if not check["passed"]] == ["completes"]
    assert ">unproven<" in page.read_text()
    result = call("explain", "--root", root)
    assert result.exit_code == 1
    assert result.stderr.startswith("error: the client sent nothing")


def test_invalid_client_exits_1(url, root, tmp_path, monkeypatch):
    """The error is one line, whatever its module raises."""
    texts = {
        "client_with_typo": "def",
        "client_with_error": "raise ZeroDivisionError('a\\nb')",
        "client_with_system_exit": "raise SystemExit(0)",
        "client_with_exit": "from os import _exit\n_exit(0)",
    }
    for name, text in texts.items():
        (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    for client, words in (
        ("nobody", "there is no client nobody"),
        ("no.such:thing", "cannot be imported"),
        ("client_sim.lab.clients.toy:Nothing", "cannot be imported"),
        ("client_sim.lab.scenarios.driving:POLL", "not a factory"),
        *((f"{name}:x", "cannot be imported") for name in texts),
    ):
        with case(client):
            result = call("run", "--url", url, "--root", root, "--client", client)
            assert result.exit_code == 1
            assert words in result.stderr
            assert result.stderr.count("\n") == 1


def test_unreachable_server_exits_3(root):
    """Without a server there is no verdict."""
    result = call("run", "--url", "http://updates.example.org:1", "--root", root, "--client", "toy")
    assert result.exit_code == 3


def test_malformed_value_exits_2_and_names_the_option(url, root):
    """An address instead of the host's name is malformed, too."""
    for option, value in (
        *(("--url", "http://[bad"), ("--now", "nan"), ("--now", "-1"), ("--now", "1e300")),
        *(("--codename", "../x"), ("--codename", "latest-x"), ("--region", ""), ("--channel", "A")),
        *(("--resolve", "a.example=nowhere"), ("--resolve", "=192.0.2.1x"), ("--resolve", "a")),
        ("--url", "http://127.0.0.1:80"),
    ):
        with case(option, value):
            result = call("run", "--url", url, "--root", root, "--client", "toy", option, value)
            assert result.exit_code == 2, result.output
            assert option in result.stderr
    assert call("explain", "--root", root, "--host", "192.0.2.1").exit_code == 2


def test_file_that_is_not_a_root_exits_1(url, root):
    """Without a root a phone requests nothing, which proves nothing."""
    targets = b'{"signatures":[],"signed":{"_type":"targets"}}'
    for data in (b"root:x:0:0", b"[]", b"{}", targets, b"[" * 2000):
        root.write_bytes(data)
        for command in (("run", "--url", url), ("explain",)):
            with case(command, data):
                result = call(*command, "--root", root)
                assert result.exit_code == 1
                assert result.stdout == ""
                assert result.stderr.startswith(f"error: {root} is not a TUF root")
                assert result.stderr.count("\n") == 1


def test_client_that_needs_an_owner_cannot_be_explained(root):
    """The error is one line."""
    result = call("explain", "--root", root, "--client", "2014")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: the client cannot be explained")
    assert result.stderr.count("\n") == 1


def test_explain_prints_the_exact_bytes(root):
    """Each sent line is printed with its line end, below its reason."""
    result = call("explain", "--root", root, "--client", "toy")
    assert result.exit_code == 0, result.output
    sent = "".join(
        line.replace("\\r\\n", "\r\n")
        for line in result.stdout.splitlines()
        if line.endswith("\\r\\n") and not line.startswith(" ")
    )
    assert sent.encode() == POLL
    assert result.stdout.splitlines()[-1] == f"{len(POLL)} bytes in 2 requests."


def test_explain_shows_bytes_that_are_not_in_the_table(root):
    """Other requests are shown without an explanation."""
    result = call("explain", "--root", root, "--client", "platform-agent", "--json")
    (row,) = json.loads(result.stdout)
    assert row["rule"] == "not in the request table"
    assert "Dalvik" in row["octets"]


@contextmanager
def running():
    """Start a run, and wait for its two processes and Python's resource tracker."""
    command = [Path(sys.executable).with_name("hening-device"), "lab", "run", "--client", "toy"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as run:
        children = Path(f"/proc/{run.pid}/task/{run.pid}/children")
        until(lambda: len(children.read_text().split()) == 3)
        yield run


def test_sigterm_ends_a_run():
    """Its processes end, too, and Python prints no warning."""
    with running() as run:
        run.terminate()
        _, errors = run.communicate()
    assert run.returncode == 128 + signal.SIGTERM
    assert "Warning" not in errors
    assert "Traceback" not in errors


def test_processes_end_if_the_run_is_killed():
    """Otherwise its output would stay open."""
    with running() as run:
        run.kill()
        run.communicate()
    assert run.returncode == -signal.SIGKILL


def test_sigterm_is_not_a_crash_of_the_client():
    """The command ends with its status, and the run is not finished."""

    class Signalled(ToyClient):
        def poll(self):
            signal.raise_signal(signal.SIGTERM)
            return super().poll()

    testbed = plan_testbed(ToyClient, 0)
    seen = []
    with pytest.raises(SystemExit) as ended, ending_with_children():
        seen.append(observe(Signalled, testbed.setting(idle(1))))
    assert (ended.value.code, seen) == (128 + signal.SIGTERM, [])


def test_hanging_client_exits_3(monkeypatch):
    """A partial report exits with 3 unless it has a finding."""
    part = SimpleNamespace(given_up="it waits", failed=lambda: ())
    report = SimpleNamespace(result=part, is_good=False)
    monkeypatch.setattr(run_module, "_run", lambda *_arguments: report)
    monkeypatch.setattr(run_module, "show_report", lambda *_arguments: None)
    assert call("run").exit_code == 3
    part.failed = lambda: ("grammar",)
    assert call("run").exit_code == 1
    monkeypatch.setattr(run_module, "_run", _overdue)
    result = call("run")
    assert (result.exit_code, result.output) == (3, "error: it waits\n")


def _overdue(*_arguments):
    raise ClientOverdueError("it waits")


def test_progress_has_ten_lines(capsys):
    """Without a terminal, progress goes to standard error; short work has no lines."""
    with show_progress() as on_progress:
        for done in range(1, 1_235):
            on_progress("runs", done, 1_234)
    output = capsys.readouterr()
    assert output.out == ""
    lines = output.err.splitlines()
    assert lines[0] == "runs: 124 of 1,234"
    assert lines[-1] == "runs: 1,234 of 1,234"
    assert len(lines) == 10
    with show_progress() as on_progress:
        for done in range(1, 50):
            on_progress("runs", done, 49)
    assert capsys.readouterr().err == ""

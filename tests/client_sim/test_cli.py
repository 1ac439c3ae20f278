import io
import json
import runpy
import sys
from types import ModuleType

import click
import pytest

from client_sim import cli as module
from client_sim.cli import find_status, main
from client_sim.device.errors import AgreementError, StorageError, UnreachableError
from client_sim.device.phone import Phone
from tests.cases import case
from tests.client_sim.device import shop
from tests.client_sim.device.fake_world import HOST
from tests.client_sim.device.web_server import serve

RESOLVE = ["--resolve", f"{HOST}=127.0.0.1"]


@pytest.fixture(autouse=True)
def _clock(monkeypatch):
    """Set the phones' clock to a day on which the fixtures' newest build exists."""
    monkeypatch.setitem(Phone.__init__.__kwdefaults__, "now", lambda: float(shop.NOW))


@pytest.fixture
def server():
    """Serve build 1, in full and from build 0, on loopback."""
    with serve(shop.make_repository(0)) as running:
        yield running


@pytest.fixture
def run(monkeypatch, capsys):
    """Return a function that runs a command line and returns status, output and errors."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["hening-device", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            main()
        output = capsys.readouterr()
        return stop.value.code, output.out, output.err

    return call


@pytest.fixture
def create(run, tmp_path, server):
    """Return a function that makes the phone `tmp_path/phone` and returns what `run` does."""
    (tmp_path / "full.zip").write_bytes(shop.package(0))
    (tmp_path / "root.json").write_bytes(server.repository.trusted_root)
    (tmp_path / "ota.pem").write_bytes(shop.CERTIFICATE)

    def call(*more):
        files = {"package": "full.zip", "root": "root.json", "certificate": "ota.pem"}
        options = [part for name, file in files.items() for part in (f"--{name}", tmp_path / file)]
        where = ["--host", HOST, "--port", server.port, "--plain"]
        return run("create", "--phone", tmp_path / "phone", *options, *where, *more)

    return call


def test_poll_explains_every_rule_and_condition(create, run, server, tmp_path):
    """`--explain` prints a line for each: passed or not, name, and sentence.

    If a rule fails, the later rules and the conditions have no line.
    """
    create()
    conditions = ["--battery", 20, "--metered", "--free", 10, "--local-time", "12:00"]
    phone = ["--phone", tmp_path / "phone"]
    status, out, _ = run("poll", *phone, *RESOLVE, "--explain", *conditions)
    lines = [line.split(maxsplit=2) for line in out.splitlines() if line[:3] in {"ok ", "no "}]
    names = ["pointer", "newer", "halted", "share", "step", "forward", "failed", "package"]
    assert [name for _, name, _ in lines[:8]] == names
    assert {passed for passed, _, _ in lines[:8]} == {"ok"}
    judged = [f"{passed} {name}" for passed, name, _ in lines[8:]]
    assert judged == ["ok consent", "ok quiet", "no battery", "no network", "no room"]
    assert out.splitlines()[-1] == (
        "Not now: The battery holds 20 % and is not charging; an update needs 30 %."
    )
    assert status == 0
    shown = json.loads(run("poll", *phone, *RESOLVE, "--json", *conditions)[1])
    unmet = [check["name"] for check in shown["checks"] if not check["passed"]]
    assert unmet == ["battery", "network", "room"]
    assert shown["checks"][0]["sentence"] == "armani/id/stable leads to the build 2."
    shop.announce(server.repository, 1, [shop.add_package(server.repository, 1)], h=True)
    out = run("poll", *phone, *RESOLVE, "--explain", *conditions)[1]
    assert out.splitlines()[-4:] == [
        "ok  pointer  armani/id/stable leads to the build 2.",
        "ok  newer    Build 2 is newer than build 0; nothing up to that is installed.",
        "no  halted   The rollout is halted, so nothing is installed.",
        "The rollout is halted, so nothing is installed.",
    ]


def test_install_waits_for_its_conditions(create, run, tmp_path):
    """Unmet conditions are no error: the status is 0, and only the poll's requests are sent."""
    create()
    phone = ["--phone", tmp_path / "phone"]
    assert run("settings", *phone, "--quiet-hours", "22:00-07:00")[0] == 0
    noon = ["--local-time", "12:00"]
    for options, sentence in (
        (["--battery", 5, "--charging"], "The battery holds 5 % and is charging; an update needs"),
        (["--local-time", "23:00"], "23:00 is in the quiet hours from 22:00 to 07:00."),
    ):
        status, out, _ = run("install", *phone, *RESOLVE, *noon, *options)
        assert status == 0
        assert sentence in out
    assert json.loads(run("show", *phone, "--json")[1])["running"]["counter"] == 0
    assert run("install", *phone, *RESOLVE, *noon)[1].startswith("Build 2 was")


def test_consent_options(create, run, tmp_path):
    """With `--ask` an offer waits, `--yes` agrees to it, `--automatic` installs without asking."""
    create()
    phone = ["--phone", tmp_path / "phone"]
    run("settings", *phone, "--ask")
    assert "waits until the owner agrees" in run("install", *phone, *RESOLVE)[1]
    status, out, err = run("install", *phone, *RESOLVE, "--yes", "--json")
    shown = json.loads(out)
    assert (status, err, shown["running"]["counter"]) == (0, "", 2)
    assert (shown["installed"], shown["package"]["type"]) == (True, "incremental")
    assert json.loads(run("show", *phone, "--json")[1])["agreed_build"] is None
    assert "asks the owner before it installs" in run("show", *phone)[1]
    assert json.loads(run("settings", *phone, "--automatic", "--json")[1])["asks"] is False


def test_settings_change_only_the_given_options(create, run, tmp_path):
    """Malformed and contradicting quiet hours are usage errors."""
    create()
    phone = ["--phone", tmp_path / "phone"]
    shown = json.loads(run("settings", *phone, "--quiet-hours", "22:30-07:05", "--json")[1])
    assert shown == {"asks": False, "quiet": [1350, 425], "takes_metered": False}
    shown = json.loads(run("settings", *phone, "--metered", "--json")[1])
    assert shown == {"asks": False, "quiet": [1350, 425], "takes_metered": True}
    assert "installs nothing from 22:30 to 07:05" in run("show", *phone)[1]
    shown = json.loads(run("settings", *phone, "--no-quiet-hours", "--no-metered", "--json")[1])
    assert shown == {"asks": False, "quiet": None, "takes_metered": False}
    for wrong in (["22:00"], ["24:00-07:00"], ["7:00-8:00"], ["01:00-02:00", "--no-quiet-hours"]):
        assert run("settings", *phone, "--quiet-hours", *wrong)[0] == 2


def test_reset_asks_and_wipes(create, run, tmp_path, monkeypatch):
    """Without confirmation nothing changes; with it the phone's data is removed."""
    create("--persona", 3)
    phone = ["--phone", tmp_path / "phone"]
    run("poll", *phone, *RESOLVE)
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    assert run("reset", *phone)[0] == 130
    assert (tmp_path / "phone/personal/persona.json").exists()
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    status, out, _ = run("reset", *phone)
    assert (status, out) == (0, f"{tmp_path / 'phone'} was reset and runs build 0.\n")
    assert not (tmp_path / "phone/personal/persona.json").exists()
    shown = json.loads(run("show", *phone, "--json")[1])
    assert (shown["roles"], shown["next_poll"], shown["has_secret"]) == ({}, None, False)
    assert json.loads(run("reset", *phone, "--yes", "--json")[1])["running"]["counter"] == 0


def test_show_prints_everything_but_the_secret(create, run, tmp_path):
    """The output has due time, role versions, slots and settings.

    A failed build is retried only with `--retry-failed`.
    """
    create("--persona", 3)
    phone = ["--phone", tmp_path / "phone"]
    assert "holds no metadata except the root" in run("show", *phone)[1]
    sentence = "Build 2 did not start; build 0 runs again.\n"
    assert run("install", *phone, *RESOLVE, "--broken-boot")[:2] == (1, sentence)
    due = json.loads(run("poll", *phone, *RESOLVE, "--json")[1])["next_poll"]
    status, out, _ = run("show", *phone)
    assert status == 0
    assert "slot a holds build 0, confirmed, which runs\n" in out
    assert "slot b holds build 2, which did not start\n" in out
    assert "does not retry automatically: build 2\n" in out
    assert "role" not in out
    assert "latest 2" in out
    shown = json.loads(run("show", *phone, "--json")[1])
    assert shown["next_poll"] == due
    assert shown["roles"]["armani"] == 2
    assert shown["failed_builds"] == [2]
    assert shown["slots"]["b"]["failed"]
    secret = (tmp_path / "phone/state/secret").read_bytes()
    assert secret.hex() not in out + json.dumps(shown)
    (tmp_path / "phone/state/role.latest").write_bytes(b"damaged")
    assert json.loads(run("show", *phone, "--json")[1])["roles"]["latest"] is None
    (tmp_path / "phone/state/role.latest").unlink()
    assert "did not start on this phone" in run("install", *phone, *RESOLVE)[1]
    assert run("install", *phone, *RESOLVE, "--retry-failed")[1].startswith("Build 2 was installed")


def test_a_refusal_is_one_sentence(create, run, server, tmp_path):
    """A redirect and expired metadata have status 1 and a line that gives the reason."""
    create()
    server.repository.overrides["/metadata/timestamp.json"] = (
        b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: /\r\n\r\n"
    )
    poll = ["poll", "--phone", tmp_path / "phone", *RESOLVE]
    status, out, err = run(*poll)
    assert (status, out) == (1, "")
    assert err == (
        "hening-device: The server redirects /metadata/timestamp.json, which a phone never "
        "follows.\n"
    )
    status, out, _ = run(*poll, "--json")
    assert status == 1
    assert json.loads(out)["refused"]
    server.repository.overrides.clear()
    server.repository.now = shop.NOW - 10 * 86_400
    server.repository.refresh()
    status, _, err = run(*poll)
    assert status == 1
    assert "warning: The metadata has expired" in err


def test_exit_statuses(run, monkeypatch, tmp_path):
    """Usage errors are 2, no folder is 3, a folder without a phone is 1, help is 0."""
    monkeypatch.chdir(tmp_path)
    for line, status in (
        ("poll", 2),
        ("fly", 2),
        ("", 2),
        ("show --phone does-not-exist", 3),
        ("show --phone .", 1),
        ("--help", 0),
        ("--version", 0),
    ):
        with case(line):
            assert run(*line.split())[0] == status


def test_exit_statuses_of_errors(run, monkeypatch):
    """Refusals are 1, also click's own; failures of the environment are 3."""
    for error, status in (
        (AgreementError, 1),
        (UnreachableError, 3),
        (StorageError, 3),
        (OSError, 3),
    ):
        assert find_status(error("x")) == status

    def fail(**_options):
        raise click.ClickException("no")

    monkeypatch.setattr(module.cli, "main", fail)
    assert run("show") == (1, "", "hening-device: no\n")


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, click.Abort])
def test_an_interrupt_is_one_line(run, create, monkeypatch, tmp_path, interrupt):
    """Ctrl-C while a command runs, and outside of click's own handling."""
    create()

    def stop(*_arguments, **_options):
        raise interrupt

    monkeypatch.setattr(Phone, "poll", stop)
    status, out, err = run("poll", "--phone", tmp_path / "phone")
    # Click ends the terminal's line, which shows ^C.
    assert (status, out, err.strip()) == (130, "", "hening-device: stopped")
    monkeypatch.setattr(module.cli, "main", stop)
    assert run("show") == (130, "", "hening-device: stopped\n")


def test_interrupt_while_modules_are_loaded(monkeypatch, capsys):
    """Ctrl-C before `main` runs."""

    class Interrupted(ModuleType):
        def __getattr__(self, name):
            raise KeyboardInterrupt

    name = "hening.lazy_command"
    monkeypatch.setitem(sys.modules, name, Interrupted(name))
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(module.__file__)
    assert stop.value.code == 130
    assert capsys.readouterr() == ("", "hening-device: stopped\n")

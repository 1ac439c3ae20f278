"""The command line: exit statuses, error messages, `--json`, and the findings of `check`."""

import contextlib
import importlib
import json
import os
import signal
from datetime import timedelta

import pytest

from server.publisher.publisher import Publisher
from tests.cases import case
from tests.server.ceremony import release
from tests.server.cli.conftest import check_sentence
from tests.server.world import FIRST, PACKAGE_1, PACKAGE_2, SECOND

CHANNEL = "armani/id/stable"


def test_usage_errors(run):
    """Usage errors give status 2 and a message on stderr."""
    for words in (
        ["nothing"],
        ["run"],
        ["check"],
        ["rollout", "offer", CHANNEL],
        ["rollout", "offer", "--state", "x"],
        ["check", "--state", "x", "--wrong"],
        ["rollout", "pause", CHANNEL, "--state", "x", "--counter", "1"],
        ["rollout", "offer", CHANNEL, "--state", "x", "--counter", "two"],
    ):
        with case(words):
            status, out, err = run(*words)
            assert (status, out) == (2, "")
            assert "Error:" in err or "Usage:" in err


def test_second_init_keeps_keys_and_root(run, tmp_path, world):
    """A second `init` keeps the keys and the pinned root."""
    state = tmp_path / "new"
    status, out, _ = run("init", "--state", state, "--log-origin", "rom.example/log")
    assert status == 0
    assert "public.json" in out
    public = (state / "keys" / "public.json").read_bytes()
    root, other = tmp_path / "1.root.json", tmp_path / "other.json"
    root.write_bytes(world.folder.trusted_root.read_bytes())
    status, _, err = run("init", "--state", state, "--root", root)
    assert status == 1
    check_sentence(err)
    assert "this server's key for snapshot is not among those that root allows" in err
    assert not (state / "trusted").exists()
    state = world.folder.root
    public = (state / "keys" / "public.json").read_bytes()
    other.write_bytes(world.ceremony.root(expires=world.now() - timedelta(days=1)))
    status, _, err = run("init", "--state", state, "--root", other)
    assert status == 1
    assert "root 1 expired on" in err
    other.write_bytes(world.ceremony.root(expires=world.now() + timedelta(days=9)))
    for _ in range(2):
        status, out, _ = run("init", "--state", state, "--root", root)
        assert status == 0
        assert "Root 1 is pinned" in out
    assert (state / "keys" / "public.json").read_bytes() == public
    status, _, err = run("init", "--state", state, "--root", other)
    assert status in {1, 3}
    check_sentence(err)
    other.write_bytes(b"{}")
    status, _, err = run("init", "--state", state, "--root", other)
    assert status == 1
    check_sentence(err)


def test_run_needs_a_pinned_root(run, tmp_path):
    """Without a pinned root `run` fails, and the message says what to do."""
    run("init", "--state", tmp_path / "s")
    status, _, err = run("run", "--state", tmp_path / "s")
    assert status == 1
    check_sentence(err)
    assert "init --root" in err


def test_malformed_settings_are_refused(run, tmp_path, fresh, monkeypatch):
    """Unknown keys, malformed values and misspelt variables are refused by name."""
    file = tmp_path / "hening.toml"
    words = ("run", "--state", fresh.folder.root, "--config", file)
    for content in (b"unknown = 1", b'port = "x"', b"port = 99999", b"gate = 'wide'", b"\xff"):
        with case(content):
            file.write_bytes(content)
            status, _, err = run(*words)
            assert status == 1
            check_sentence(err)
            assert "settings are malformed" in err
    monkeypatch.setenv("HENING_PROT", "8080")
    status, _, err = run(*words[:3])
    assert status == 1
    assert "prot" in err


def test_missing_state(run, tmp_path):
    """A folder without a state gives status 3 and is not created."""
    for words in ("check", "rollout show", f"rollout halt {CHANNEL}", "run", "migrate"):
        with case(words):
            status, _, err = run(*words.split(), "--state", tmp_path / "nowhere")
            assert status == 3
            check_sentence(err)
            assert "there is no server state in" in err
            assert not (tmp_path / "nowhere").exists()


def test_commands_refused_on_a_device_node(run, tmp_path):
    """On a device node these commands are refused, and the message says where to run them."""
    (tmp_path / "settings.toml").write_text(
        'node = "device"\ntree_url = "s3://rom/shared"\nblobs_url = "s3://rom/blobs"\n'
    )
    for words in ("check", "clock show", "rebuild", "backup --out any", "keys list"):
        with case(words):
            status, _, err = run(*words.split(), "--state", tmp_path)
            assert status == 3
            check_sentence(err)
            assert "run this command on a publisher or control node" in err


def test_file_that_is_not_a_database(run, state):
    """Of the database library's message only the first line is shown."""
    (state / "hening.sqlite").write_bytes(b"no database" * 1000)
    status, _, err = run("migrate", "--state", state)
    assert status == 3
    check_sentence(err)


def test_missing_public_root(run, state, findings):
    """Without a public root `check` and `show` end with an error message."""
    (state / "public" / "metadata" / "1.root.json").unlink()
    status, _, err = run("rollout", "show", "--state", state)
    assert status == 1
    check_sentence(err)
    assert "no root is public" in err
    assert any("1.root.json is not there" in error for _, error in findings())


def test_show_and_check_before_the_first_publication(run, findings, fresh_state, tmp_path):
    """`show` says so without an empty table, and `check` has no finding."""
    fresh = fresh_state.copy(tmp_path / "fresh")
    fresh.run(Publisher.repair)  # creates the database
    state = fresh.folder.root
    assert run("rollout", "show", "--state", state, "--json")[1] == "[]\n"
    status, out, err = run("rollout", "show", "--state", state)
    assert (status, err) == (0, "")
    assert out == "No channel offers a build yet: `hening-server rollout offer` offers one.\n"
    ((_, error),) = findings(folder=state)
    assert "`hening-server run` publishes" in error


def test_port_in_use(run, state, direct_port):
    """A port in use gives status 3."""
    status, _, err = run("run", "--state", state, "--port", direct_port)
    assert status == 3
    check_sentence(err)
    assert f"port {direct_port} is in use: choose another with --port" in err


def test_rollout_commands(run, ask, state):
    """Each rollout command has output for people and as JSON."""

    def rollout(*words):
        answer = ask("rollout", *words)
        return answer, answer["channels"][0]

    (row,) = ask("rollout", "show")
    assert (row["counter"], row["permille"], row["state"]) == (1, 1000, "offered")
    answer, offered = rollout("offer", CHANNEL, "--counter", "2", "--share", "12.5%")
    assert (answer["alarms"], offered["counter"], offered["permille"]) == ([], 2, 125)
    assert rollout("set", CHANNEL, "--share", "50%")[1]["permille"] == 500
    _, paused = rollout("pause", CHANNEL, "--reason", "en=Looking")
    assert (paused["state"], paused["permille"]) == ("paused", 500)
    _, resumed = rollout("set", CHANNEL, "--share", "50%", "--at", "2099-01-01T00:00Z=100%")
    assert (resumed["state"], resumed["schedule"][-1]) == ("offered", [4070908800, 1000])
    first, halted = rollout("halt", CHANNEL, CHANNEL, "--reason", "en=It drains")
    assert (len(first["channels"]), halted["state"]) == (1, "halted")
    again, halted = rollout("halt", CHANNEL)
    assert (again["snapshot"], halted["state"]) == (first["snapshot"], "halted")
    again, _ = rollout("halt", CHANNEL, "--reason", "en=It burns")
    assert again["snapshot"] == first["snapshot"] + 1
    status, out, err = run("rollout", "show", "--state", state)
    assert (status, err, "halted" in out) == (0, "", True)


def test_refused_rollouts(run, second, state):
    """A refusal is one sentence with status 1, and nothing is published."""
    before = second.published().timestamp.version
    for words in (
        ["offer", CHANNEL, "--counter", "1", "--share", "1%"],
        ["offer", CHANNEL, "--counter", "0", "--share", "1%"],
        ["offer", CHANNEL, "--counter", "9", "--share", "1%"],
        ["offer", CHANNEL, "--counter", "2", "--at", "2020-01-01T00:00Z=1%"],
        ["offer", CHANNEL, "--stage", "10%=1d", "--stage", "1%"],
        ["offer", CHANNEL, "--at", "2099-01-02T00:00Z=1%", "--at", "2099-01-01T00:00Z=2%"],
        ["offer", "armani/id", "--counter", "2", "--share", "1%"],
        ["offer", "dior/id/stable", "--counter", "2", "--share", "1%"],
        ["set", CHANNEL, "--share", "10%"],
        ["set", "cancro/id/stable", "--share", "10%"],
        ["pause", CHANNEL, "--reason", "Englisch=No"],
    ):
        with case(words):
            status, out, err = run("rollout", *words, "--state", state)
            assert (status, out) == (1, "")
            check_sentence(err)
            assert second.published().timestamp.version == before


def test_malformed_option_values(run, second, state):
    """A malformed value gives status 2, and nothing is published."""
    before = second.published().timestamp.version
    for words in (
        "--share 101%",
        "--share half",
        "--share 1",
        "--at tomorrow=1%",
        "--at 2099-01-01T00:00=1%",
        "--share 1% --public-url nonsense",
        "--share 1% --public-url ftp://x",
    ):
        with case(words):
            status, out, err = run("rollout", "offer", CHANNEL, *words.split(), "--state", state)
            assert (status, out) == (2, "")
            assert "Error: " in err
            assert second.published().timestamp.version == before


def test_init_refuses_another_log_origin(run, state, tmp_path):
    """Another origin is refused, and so is a root without keys to compare it with."""
    status, _, err = run("init", "--state", state, "--log-origin", "other.example/log")
    assert status == 1
    assert "its name cannot change" in err
    root = state / "trusted" / "root.json"
    status, _, err = run("init", "--state", tmp_path / "empty", "--root", root)
    assert status == 3
    assert "without --root first" in err
    assert not (tmp_path / "empty").exists()


def test_check_of_a_sound_state(run, ask, state):
    """`check` finds nothing in a sound state, with and without `--deep`."""
    for words in ([], ["--deep"]):
        status, out, err = run("check", "--state", state, *words)
        assert (status, err) == (0, "")
        assert "in order" in out
        assert "wrong" not in out
    rows = ask("check")
    assert {row["error"] for row in rows} == {""}
    assert {row["subject"] for row in rows} >= {"log", "keys", "audit-log", "audit"}


@pytest.mark.parametrize(("days", "word", "status"), [(2, "due", 1), (5, "due soon", 0)])
def test_check_shows_due_roles(run, second, state, days, word, status):
    """A role that is due soon is shown with status 0, an overdue one with status 1.

    Roles that the server renews itself are listed last.
    """
    second.ceremony.now = second.now() - timedelta(days=90 - days)
    files = {FIRST: (PACKAGE_1, release(1)), SECOND: (PACKAGE_2, release(2))}
    role = second.ceremony.role("armani", 4, files)
    assert second.publish({("armani", 4): role}).reason == ""
    ended, out, _ = run("check", "--state", state)
    assert ended == status
    (line,) = (line for line in out.splitlines() if line.startswith("armani"))
    assert line.removeprefix("armani").lstrip().startswith(f"{word}  ")
    _, out, _ = run("check", "--state", state, "--json")
    rows = json.loads(out)
    assert {row["subject"] for row in rows if row["due"]} == {"armani"}
    roles = [row["subject"] for row in rows if row["detail"].startswith("version ")]
    assert roles[-3:] == ["latest", "snapshot", "timestamp"]


def test_check_lists_all_findings(run, state, findings):
    """An unreadable file is one of several findings, as text and as JSON."""
    (state / "public/metadata/3.armani.json").write_bytes(b"{}")
    for blob in (state / "blobs").glob("*/*"):
        blob.unlink()
    assert {subject for subject, _ in findings("--deep")} >= {"metadata", "records"}
    status, out, err = run("check", "--state", state)
    assert (status, err) == (1, "")
    assert "wrong" in out
    assert "in order" in out


def test_check_finds_missing_roots(second, findings):
    """`check` needs each root under its version, without a gap."""
    for version in (2, 3):
        assert second.publish({("root", version): second.ceremony.root(version)}).reason == ""
    metadata = second.folder.public / "metadata"
    assert findings() == []
    (metadata / "2.root.json").rename(metadata / "9.root.json")
    found = findings()
    assert {"roots", "audit"} <= {subject for subject, _ in found}
    assert ("roots", "2.root.json is not there: restore public/metadata from a copy.") in found
    (metadata / "2.root.json").write_bytes((metadata / "1.root.json").read_bytes())
    (metadata / "9.root.json").unlink()
    found = findings()
    assert ("roots", "2.root.json holds root 1: restore public/metadata from a copy.") in found
    assert "audit" in {subject for subject, _ in found}


def test_check_finds_an_expired_timestamp(second, findings, monkeypatch):
    """An expired timestamp is a finding, and a phone would refuse it."""
    monkeypatch.setattr("server.cli.state.now", lambda: second.now() + timedelta(days=2))
    assert {subject for subject, _ in findings()} == {"timestamp", "audit"}


HERE = ("--host", "127.0.0.1", "--port", "0", "--api-port", "0", "--console")


@pytest.fixture
def listening(run, world, monkeypatch):
    """Return a function that starts a server at ports 8080 and 8090, which ends once it listens."""
    importlib.import_module("server.console.page")  # as the control plane does before that

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
def test_console_address_is_printed_last(listening, options, address):
    """The console's address is printed last, as a URL for a browser."""
    status, out, err = listening(*options)
    assert (status, err) == (0, "")
    phones, api, console = out.splitlines()
    assert phones == "http://127.0.0.1:8080"
    assert api.endswith(":8090/api/v1")
    assert console == address


def test_console_needs_the_api_port(run, world):
    """A console without the API's port is a usage error."""
    status, out, err = run("run", "--state", world.folder.root, "--port", "0", "--console")
    assert (status, out) == (2, "")
    assert "give --api-port, too." in err

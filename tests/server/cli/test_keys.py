"""`keys new | list | switch`: exit statuses, messages and output."""

import importlib
import json
from datetime import timedelta

import pytest

from server.publisher.keys.online_keys import HOLDERS, load_online_keys
from tests.server.log_invariant import check_log


@pytest.fixture
def state(world):
    """Return the state folder of `world`."""
    return world.folder.root


@pytest.fixture
def keys(ask):
    """Run a `keys` command and return its rows by role."""
    return lambda *words: {row["role"]: row for row in ask("keys", *words)}


def publish_both(world):
    """Publish a root and targets that list current and next keys."""
    keys = load_online_keys(world.folder.keys)
    online = {
        role: [signer.public_key, keys.next_signers[role].public_key]
        for role, signer in keys.signers.items()
    }
    files = {
        ("root", 2): world.ceremony.root(2, online, keys.log_keys[-1].verifier),
        ("targets", 2): world.ceremony.targets(2, latest=online["latest"]),
    }
    assert world.publish(files).reason == ""


def test_key_rotation(run, ask, keys, world, state, monkeypatch):
    """Keys are made, listed by the signers, and switched to; `list` shows each stage."""

    def refused():
        status, out, err = run("keys", "switch", "all", "--state", state)
        assert (status, out) == (1, "")
        return err

    before = keys("list")
    assert list(before) == list(HOLDERS)
    for row in before.values():
        assert row["next"] is None
        assert row["listed"] == row["signing"] == [row["current"]]
    made = keys("new", "all")
    for role, row in made.items():
        assert row["listed"] == [row["current"]] == [before[role]["current"]]
        assert row["note"] == ""
    assert made["snapshot"]["signing"] == [made["snapshot"]["current"]]
    assert made["log"]["signing"] == [made["log"]["current"], made["log"]["next"]]
    public = json.loads((state / "keys" / "public.json").read_bytes())["keys"]
    assert public["log"] == made["log"]["next"]
    kept = "the existing next key is kept; replace it with --afresh after a theft"
    assert keys("new", "all") == {role: row | {"note": kept} for role, row in made.items()}
    assert "does not list the next key of latest yet" in refused()
    publish_both(world)
    err = refused()
    assert "for less than 75 s" in err
    assert "--at-once" in err
    module = importlib.import_module("server.cli.clock")
    now = module.now
    monkeypatch.setattr(module, "now", lambda: now() + timedelta(seconds=75))
    for role, row in keys("switch", "all").items():
        assert (row["current"], row["next"]) == (made[role]["next"], None)
        assert row["listed"] == row["signing"] == [row["current"]]
    assert check_log(world.folder, load_online_keys(world.folder.keys).log_verifier.public)
    assert "this server's keys" in details(ask)


def details(ask):
    """Return what `check` reports about the keys."""
    (row,) = (row for row in ask("check") if row["subject"] == "keys")
    return row["detail"]


def test_new_keys_while_the_log_cannot_be_signed(run, world, monkeypatch):
    """If the log cannot be signed, next keys are made and the message says why."""
    module = importlib.import_module("server.cli.clock")
    now = module.now
    monkeypatch.setattr(module, "now", lambda: now() + timedelta(days=91))
    assert run("clock", "confirm", "--state", world.folder.root)[0] == 0
    status, out, err = run("keys", "new", "all", "--state", world.folder.root)
    assert (status, err) == (0, "")
    text = " ".join(out.split())
    assert "log: the next key signs from the next root on, because targets 1 expired on" in text


def test_missing_key_file(run, findings, state):
    """Each command that signs names `init`, which makes the missing key file."""
    path = state / "keys" / "snapshot.pem"
    path.unlink()
    for words in ("keys list", "keys new all", "rollout halt armani/id/stable"):
        status, out, err = run(*words.split(), "--state", state)
        assert (status, out) == (3, "")
        assert f"{path} is gone: restore it from a copy, or run `hening-server init --state" in err
    assert f"hening-server init --state {state}`" in dict(findings())["keys"]
    status, out, err = run("init", "--state", state)
    assert (status, err) == (0, "")
    assert "New keys: snapshot." in out
    assert "public.json to the signers" in " ".join(out.split())
    assert run("keys", "list", "--state", state)[0] == 0
    assert "New keys" not in run("init", "--state", state)[1]


def test_missing_key_folder(run, world, state):
    """If all keys are lost, new ones keep the log's name from the pinned root."""
    for path in (state / "keys").iterdir():
        path.unlink()
    assert run("keys", "list", "--state", state)[0] == 3
    status, _, err = run("init", "--state", state, "--log-origin", "other.example/log")
    assert (status, "its name cannot change" in err) == (1, True)
    status, out, _ = run("init", "--state", state)
    assert (status, "New keys: latest, snapshot, timestamp, log." in out) == (0, True)
    assert load_online_keys(world.folder.keys).log_verifier.name == world.keys.log_verifier.name


def test_switch_without_a_next_key(run, world):
    """Without a next key, `switch` says so and signs again, which completes a killed switch."""
    before = world.published().snapshot.version
    status, out, err = run("keys", "switch", "snapshot", "--state", world.folder.root)
    assert (status, err) == (0, "")
    assert "There was no next key to switch to" in out
    assert world.published().snapshot.version == before + 1


def test_key_table(run, ask, world, state):
    """The table shows the beginning of each id, and where the public keys are."""
    status, out, _ = run("keys", "new", "snapshot", "log", "--state", state)
    keys = load_online_keys(world.folder.keys)
    assert status == 0
    for signer in (*keys.signers.values(), *keys.next_signers.values()):
        assert signer.public_key.keyid[:16] in out
    for key in keys.log_keys:
        assert key.verifier.key_id.hex() in out
    assert f"Take {state}/keys/public.json to the signers" in " ".join(out.split())
    assert details(ask).endswith("; the next keys of snapshot, log wait for `keys switch`")


def test_failed_read_back_is_status_3(run, state, direct_port):
    """If the read-back fails, keys are made and the status is 3."""
    url = f"http://127.0.0.1:{direct_port + 1 if direct_port < 65_535 else 1}"
    words = ("keys", "new", "log", "--state", state, "--public-url", url, "--json")
    status, out, err = run(*words)
    assert (status, "the read-back failed" in err) == (3, True)
    (log,) = (row for row in json.loads(out) if row["role"] == "log")
    assert log["next"] is not None

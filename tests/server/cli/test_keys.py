"""`keys new | list | switch`: exit statuses, messages and output."""

import importlib
import json
from datetime import timedelta

from server.publisher.keys.online_keys import HOLDERS, load_online_keys
from tests.server.log_invariant import check_log


def rows(out):
    """Return the rows of `--json` by role."""
    return {row["role"]: row for row in json.loads(out)}


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


def test_a_rotation(run, world, monkeypatch):
    """Made, listed by the signers, waited for, switched to; `list` shows each stage."""
    state = world.folder.root
    status, out, err = run("keys", "list", "--state", state, "--json")
    before = rows(out)
    assert (status, err, list(before)) == (0, "", list(HOLDERS))
    for row in before.values():
        assert row["next"] is None
        assert row["listed"] == row["signing"] == [row["current"]]
    status, out, err = run("keys", "new", "all", "--state", state, "--json")
    made = rows(out)
    assert (status, err) == (0, "")
    assert {role: row["current"] for role, row in made.items()} == {
        role: row["current"] for role, row in before.items()
    }
    assert all(row["listed"] == [row["current"]] for row in made.values())
    assert made["snapshot"]["signing"] == [made["snapshot"]["current"]]
    assert made["log"]["signing"] == [made["log"]["current"], made["log"]["next"]]
    public = json.loads((state / "keys" / "public.json").read_bytes())["keys"]
    assert public["log"] == made["log"]["next"]
    assert {row["note"] for row in made.values()} == {""}
    again = rows(run("keys", "new", "all", "--state", state, "--json")[1])
    kept = "the next key is kept, made before; after a theft: --afresh"
    assert again == {role: row | {"note": kept} for role, row in made.items()}
    status, out, err = run("keys", "switch", "all", "--state", state)
    assert (status, out) == (1, "")
    assert "does not list the next key of latest yet" in err
    publish_both(world)
    status, out, err = run("keys", "switch", "all", "--state", state)
    assert (status, out) == (1, "")
    assert "for less than 75 s" in err
    assert "--at-once" in err
    module = importlib.import_module("server.cli.clock")
    now = module.now
    monkeypatch.setattr(module, "now", lambda: now() + timedelta(seconds=75))
    status, out, err = run("keys", "switch", "all", "--state", state, "--json")
    after = rows(out)
    assert (status, err) == (0, "")
    for role, row in after.items():
        assert (row["current"], row["next"]) == (made[role]["next"], None)
        assert row["listed"] == row["signing"] == [row["current"]]
    assert check_log(world.folder, load_online_keys(world.folder.keys).log_verifier.public)
    status, out, _ = run("check", "--state", state, "--json")
    assert status == 0
    assert "this server's keys" in rows_by_subject(out)["keys"]["detail"]


def rows_by_subject(out):
    """Return the findings of `check --json` by subject."""
    return {row["subject"]: row for row in json.loads(out)}


def test_a_log_that_cannot_be_signed(run, world, monkeypatch):
    """The next keys are made, and the message says why they do not sign the log yet."""
    module = importlib.import_module("server.cli.clock")
    now = module.now
    monkeypatch.setattr(module, "now", lambda: now() + timedelta(days=91))
    assert run("clock", "confirm", "--state", world.folder.root)[0] == 0
    status, out, err = run("keys", "new", "all", "--state", world.folder.root)
    assert (status, err) == (0, "")
    said = " ".join(out.split())
    assert "log: the next key signs from the next root on, because targets 1 expired on" in said


def test_a_key_file_that_is_gone(run, world):
    """Every command that signs names `init`, which makes that file and reports it."""
    state = world.folder.root
    path = state / "keys" / "snapshot.pem"
    path.unlink()
    for words in (
        ["keys", "list"],
        ["keys", "new", "all"],
        ["rollout", "halt", "armani/id/stable"],
    ):
        status, out, err = run(*words, "--state", state)
        assert (status, out) == (3, "")
        assert f"{path} is gone: restore it from a copy, or run `hening-server init --state" in err
    status, out, _ = run("check", "--state", state, "--json")
    assert status == 1
    assert f"hening-server init --state {state}`" in rows_by_subject(out)["keys"]["error"]
    status, out, err = run("init", "--state", state)
    assert (status, err) == (0, "")
    assert "New keys: snapshot." in out
    assert "public.json to the signers" in " ".join(out.split())
    assert run("keys", "list", "--state", state)[0] == 0
    assert "New keys" not in run("init", "--state", state)[1]


def test_a_folder_of_keys_that_is_gone(run, world):
    """The log keeps the name in the pinned root."""
    state = world.folder.root
    for path in (state / "keys").iterdir():
        path.unlink()
    assert run("keys", "list", "--state", state)[0] == 3
    status, _, err = run("init", "--state", state, "--log-origin", "other.example/log")
    assert status == 1
    assert "it keeps its name for ever" in err
    status, out, _ = run("init", "--state", state)
    assert status == 0
    assert "New keys: latest, snapshot, timestamp, log." in out
    assert load_online_keys(world.folder.keys).log_verifier.name == world.keys.log_verifier.name


def test_nothing_to_switch_to(run, world):
    """The command says so, and signs the online roles again: that completes a killed switch."""
    before = world.published().snapshot.version
    status, out, err = run("keys", "switch", "snapshot", "--state", world.folder.root)
    assert (status, err) == (0, "")
    assert "There was no next key to switch to" in out
    assert world.published().snapshot.version == before + 1


def test_the_table(run, world):
    """It shows the part of each id that people compare, and where the public halves are."""
    state = world.folder.root
    status, out, _ = run("keys", "new", "snapshot", "log", "--state", state)
    keys = load_online_keys(world.folder.keys)
    assert status == 0
    shown = [*keys.signers.values(), *keys.next_signers.values()]
    for text in [signer.public_key.keyid[:16] for signer in shown]:
        assert text in out
    for key in keys.log_keys:
        assert key.verifier.key_id.hex() in out
    assert f"Take {state}/keys/public.json to the signers" in " ".join(out.split())
    status, out, _ = run("check", "--state", state, "--json")
    assert status == 0
    detail = rows_by_subject(out)["keys"]["detail"]
    assert detail.endswith("; next ones of snapshot, log wait to be switched to")


def test_a_read_back_that_fails(run, world, direct_port):
    """The keys are made; status 3 says that the public address does not show the new state."""
    url = f"http://127.0.0.1:{direct_port + 1 if direct_port < 65_535 else 1}"
    status, out, err = run(
        "keys", "new", "log", "--state", world.folder.root, "--public-url", url, "--json"
    )
    assert status == 3
    assert rows(out)["log"]["next"] is not None
    assert "the read-back failed" in err

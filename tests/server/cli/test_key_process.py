"""`keys serve`, `keys public`, and the commands of a server with a separate key process."""

import json

import pytest

from tests.server.keys.process import move_keys


@pytest.fixture
def apart(world, tmp_path):
    """Yield a state folder whose settings name a running key process with its keys."""
    process = move_keys(world, tmp_path / "apart")
    world.folder.settings.write_text(f'keys_socket = "{process.socket}"\n')
    process.start()
    yield world, process
    process.stop()


def test_keys_public_prints_public_json(run, world, monkeypatch):
    """`keys public` prints the public keys that a ceremony needs.

    Credentials are read only from systemd's folder.
    """
    keys = world.folder.keys
    public = (keys / "public.json").read_text()
    assert run("keys", "public", "--keys", keys)[:2] == (0, public)
    status, _, err = run("keys", "public", "--credentials")
    assert (status, "LoadCredential=" in err) == (2, True)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(keys))
    assert run("keys", "public", "--credentials")[:2] == (0, public)


def test_keys_need_one_location(run):
    """Missing, double and incomplete places of keys are usage errors."""
    for words in (
        "",
        "--keys a --credentials",
        "--keys a --pkcs11 b",
        "--pkcs11 b",
        "--pkcs11 b --log-origin hening.example/log",
        "--pkcs11 b --log-origin hening.example/log --token c",
    ):
        status, _, err = run("keys", "public", *words.split())
        assert (status, "Usage:" in err) == (2, True), words


def test_keys_serve_needs_root_and_keys(run, world, tmp_path):
    """`keys serve` needs a pinned root and its keys; otherwise it does not listen."""
    places = ("--record", tmp_path / "record", "--socket", tmp_path / "run" / "keys.sock")
    status, _, err = run("keys", "serve", "--keys", world.folder.keys, *places)
    assert (status, "start with --root once" in err) == (3, True)
    words = ("--keys", tmp_path / "nothing", "--root", world.folder.trusted_root)
    status, _, err = run("keys", "serve", *words, *places)
    assert (status, "there are no online keys in" in err) == (3, True)
    assert not (tmp_path / "run").exists()


def test_init_with_a_key_process(run, apart):
    """With a key process, `init` makes no keys, and writes public.json at its usual place."""
    world, process = apart
    public = (process.keys / "public.json").read_bytes()
    status, out, err = run("init", "--state", world.folder.root)
    assert status == 0, err
    assert f"Online keys are at {process.socket}; the log is hening.example/log." in out
    assert {path.name for path in world.folder.keys.iterdir()} == {"public.json"}
    assert (world.folder.keys / "public.json").read_bytes() == public
    root = world.folder.trusted_root
    status, out, _ = run("init", "--state", world.folder.root, "--root", root)
    assert (status, "Root 1 is pinned" in out) == (0, True)


def test_keys_list_and_check_query_the_key_process(run, apart):
    """`keys list` and `check` query the key process."""
    world, process = apart
    status, out, _ = run("keys", "list", "--json", "--state", world.folder.root)
    assert status == 0
    last = out.splitlines()[-1]  # the key process, a thread here, logs to the same output
    assert [row["role"] for row in json.loads(last) if row["signing"]] == [
        *("latest", "snapshot", "timestamp", "log")
    ]
    assert run("check", "--state", world.folder.root)[0] == 0
    process.stop()
    status, _, err = run("keys", "list", "--state", world.folder.root)
    assert status == 3
    assert "the key process does not answer at" in err
    assert run("check", "--state", world.folder.root)[0] == 1

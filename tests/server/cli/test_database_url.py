"""Every command uses the database in the settings."""

import json

import pytest

from server.storage.durable import write_durable
from server.storage.layout import StateFolder
from tests.postgres import PASSWORD, fetch
from tests.server.cli.test_commands import check_sentence
from tests.server.storage.test_both_databases import go_down
from tests.server.world import PACKAGE_1

CHANNEL = "armani/id/stable"


@pytest.fixture
def world(fresh, postgres):
    """Give a server on PostgreSQL that can offer release 1, with the address in its settings."""
    address = postgres.make_database()
    write_durable(fresh.folder.settings, f'database_url = "{address}"\n'.encode())
    fresh.folder.sqlite.unlink(missing_ok=True)
    world = fresh.on(StateFolder(fresh.folder.root, address))
    first = world.ceremony.first()
    first["root", 1] = world.folder.trusted_root.read_bytes()
    assert world.publish(first).reason == ""
    assert world.publish(world.first_release(), [PACKAGE_1]).reason == ""
    return world


@pytest.mark.needs("postgresql")
def test_commands_use_postgresql(run, world):
    """A rollout, a rotation and a check read and write there; no SQLite file appears."""
    state, address = world.folder.root, world.folder.database_url
    before = len(fetch(address, "SELECT * FROM log_entries"))
    status, _, err = run("rollout", "offer", CHANNEL, "--state", state, "--share", "1%")
    assert (status, err) == (0, "")
    assert len(fetch(address, "SELECT * FROM log_entries")) == before + 1
    assert run("keys", "new", "timestamp", "--state", state)[0] == 0
    status, out, err = run("check", "--state", state, "--deep", "--json")
    assert (status, err) == (0, "")
    assert [row for row in json.loads(out) if row["error"]] == []
    assert run("migrate", "--state", state)[1] == "The database is up to date.\n"
    assert run("init", "--state", state)[0] == 0
    assert not world.folder.sqlite.exists()


@pytest.mark.needs("postgresql")
def test_an_older_database_waits_for_its_back_up(run, world):
    """No command works on it, each says what to do, and `--backup-made` migrates it."""
    state = world.folder.root
    go_down(world.folder.database, "0001")
    for words in (["migrate"], ["rollout", "halt", CHANNEL]):
        status, _, err = run(*words, "--state", state)
        assert status == 3
        check_sentence(err)
        assert "hening-server migrate --backup-made" in err
    status, out, _ = run("check", "--state", state, "--json")
    assert status == 1
    assert "run `migrate` first" in json.loads(out)[0]["error"]
    assert run("migrate", "--state", state, "--backup-made")[1] == "The database was migrated.\n"
    assert run("check", "--state", state)[0] == 0


@pytest.mark.needs("postgresql")
def test_a_database_that_is_away(run, world, postgres):
    """Exit status 3 and a message without the password."""
    wrong = world.folder.database_url.replace(f":{postgres.port}/", ":1/")
    (world.folder.root / "settings.toml").write_text(f'database_url = "{wrong}"\n')
    for words in (["check"], ["migrate"], ["keys", "new", "log"], ["rollout", "halt", CHANNEL]):
        status, out, err = run(*words, "--state", world.folder.root)
        assert (status, out) == (3, "")
        check_sentence(err)
        assert PASSWORD not in err
        assert "the database 127.0.0.1:1/" in err


@pytest.mark.parametrize("value", ["mysql://root:secret@localhost/x", "secret"])
def test_an_address_of_another_kind(run, fresh, monkeypatch, value):
    """It is a usage error, and the message does not quote it."""
    monkeypatch.setenv("HENING_DATABASE_URL", value)
    status, _, err = run("check", "--state", fresh.folder.root)
    assert status == 1
    check_sentence(err)
    assert "secret" not in err

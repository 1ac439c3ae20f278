"""The database in the settings, and the database of the first release."""

import contextlib
import sqlite3

import pytest

from server.storage.durable import write_durable
from server.storage.layout import StateFolder
from tests.postgres import PASSWORD, fetch
from tests.server.cli.conftest import check_sentence
from tests.server.storage.test_both_databases import COLUMNS, downgrade
from tests.server.world import PACKAGE_1, refresh_from_disk

CHANNEL = "armani/id/stable"


@pytest.fixture
def moved(fresh, postgres):
    """Return a server on PostgreSQL that can offer release 1, with the address in its settings."""
    address = postgres.make_database()
    write_durable(fresh.folder.settings, f'database_url = "{address}"\n'.encode())
    fresh.folder.sqlite.unlink(missing_ok=True)
    world = fresh.on(StateFolder(fresh.folder.root, address))
    assert world.publish(world.first_roles()).reason == ""
    assert world.publish(world.first_release(), [PACKAGE_1]).reason == ""
    return world


@pytest.mark.needs("postgresql")
def test_commands_use_postgresql(run, findings, moved):
    """With the setting, commands use PostgreSQL, and no SQLite file appears."""
    state, address = moved.folder.root, moved.folder.database_url
    before = len(fetch(address, "SELECT * FROM log_entries"))
    status, _, err = run("rollout", "offer", CHANNEL, "--state", state, "--share", "1%")
    assert (status, err) == (0, "")
    assert len(fetch(address, "SELECT * FROM log_entries")) == before + 1
    assert run("keys", "new", "timestamp", "--state", state)[0] == 0
    assert findings("--deep", folder=state) == []
    assert run("migrate", "--state", state)[1] == "The database is up to date.\n"
    assert run("init", "--state", state)[0] == 0
    assert not moved.folder.sqlite.exists()


@pytest.mark.needs("postgresql")
def test_migration_needs_a_backup(run, findings, moved):
    """An older database is migrated only with `--backup-made`, which each command says."""
    state = moved.folder.root
    downgrade(moved.folder.database, "0001")
    for words in (["migrate"], ["rollout", "halt", CHANNEL]):
        status, _, err = run(*words, "--state", state)
        assert status == 3
        check_sentence(err)
        assert "hening-server migrate --backup-made" in err
    assert "run `migrate` first" in findings(folder=state)[0][1]
    assert run("migrate", "--state", state, "--backup-made")[1] == "The database was migrated.\n"
    assert run("check", "--state", state)[0] == 0


@pytest.mark.needs("postgresql")
def test_unreachable_database(run, moved, postgres):
    """A database that does not answer gives status 3 and a message without the password."""
    away = moved.folder.database_url.replace(f":{postgres.port}/", ":1/")
    (moved.folder.root / "settings.toml").write_text(f'database_url = "{away}"\n')
    for words in (["check"], ["migrate"], ["keys", "new", "log"], ["rollout", "halt", CHANNEL]):
        status, out, err = run(*words, "--state", moved.folder.root)
        assert (status, out) == (3, "")
        check_sentence(err)
        assert PASSWORD not in err
        assert "the database 127.0.0.1:1/" in err


@pytest.mark.parametrize("value", ["mysql://root:secret@localhost/x", "secret"])
def test_unsupported_database_url(run, fresh, monkeypatch, value):
    """Another kind of address is a usage error that does not quote it."""
    monkeypatch.setenv("HENING_DATABASE_URL", value)
    status, _, err = run("check", "--state", fresh.folder.root)
    assert status == 1
    check_sentence(err)
    assert "secret" not in err


# The tables exactly as the first release made them.
FIRST_RELEASE = """
CREATE TABLE alembic_version (
    version_num VARCHAR(32) NOT NULL,
    CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO alembic_version VALUES ('0001');
CREATE TABLE submissions (
    id VARCHAR(64) NOT NULL,
    status VARCHAR(16) NOT NULL,
    reason VARCHAR NOT NULL,
    snapshot BIGINT NOT NULL,
    finished_at BIGINT NOT NULL,
    PRIMARY KEY (id)
);
CREATE TABLE blobs (
    sha256 VARCHAR(64) NOT NULL,
    length BIGINT NOT NULL,
    verified_at BIGINT NOT NULL,
    PRIMARY KEY (sha256)
);
CREATE TABLE log_entries (
    "index" INTEGER NOT NULL,
    role VARCHAR(32) NOT NULL,
    version BIGINT NOT NULL,
    sha256 VARCHAR(64) NOT NULL,
    appended_at BIGINT NOT NULL,
    PRIMARY KEY ("index"),
    CONSTRAINT uq_log_entries_role_version UNIQUE (role, version)
);
"""


def read(path):
    """Return the rows of the first release's tables, with its columns."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return {
            table: sorted(connection.execute(f"SELECT {columns} FROM {table}").fetchall())
            for table, columns in COLUMNS.items()
        }


def go_back(world):
    """Replace the database by the first release's; return its rows."""
    rows = read(world.folder.sqlite)
    for path in world.folder.root.glob("hening.sqlite*"):
        path.unlink()
    (world.folder.root / "publisher.lock").unlink(missing_ok=True)
    with contextlib.closing(sqlite3.connect(world.folder.sqlite)) as connection, connection:
        connection.executescript(FIRST_RELEASE)
        for table, found in rows.items():
            marks = ", ".join("?" * len(found[0]))
            connection.executemany(f"INSERT INTO {table} VALUES ({marks})", found)
    return rows


def test_database_of_the_first_release_is_migrated(run, findings, second, state):
    """Commands migrate the first release's database, keep a copy, and can publish."""
    rows = go_back(second)
    assert [subject for subject, _ in findings("--deep")] == ["database"]
    assert run("migrate", "--state", state)[1] == "The database was migrated.\n"
    assert read(second.folder.sqlite) == rows
    assert read(state / "hening.sqlite.before-0003") == rows
    assert findings("--deep") == []
    assert second.publish({("tables", 2): second.ceremony.role("tables", 2)}).reason == ""
    assert run("rollout", "offer", "armani/id/stable", "--state", state, "--share", "1%")[0] == 0
    assert findings("--deep") == []
    version, _ = refresh_from_disk(second.folder)
    assert version > 5

"""A state folder of the previous release is opened: migrated, checked, published from."""

import contextlib
import json
import sqlite3

from tests.server.storage.test_both_databases import go_down
from tests.server.storage.test_migration_with_data import COLUMNS
from tests.server.world import PACKAGE_2, refresh_from_disk

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
    """Put the first release's database in place of this one; return its rows."""
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


def wrong(run, state):
    """Return the findings of `check`."""
    status, out, err = run("check", "--state", state, "--deep", "--json")
    assert err == ""
    found = [row for row in json.loads(out) if row["error"]]
    assert status == (1 if found else 0)
    return found


def test_the_state_of_the_release_before_opens(run, world):
    """Commands migrate it and keep a copy; all data is there, and the next release is published."""
    state = world.folder.root
    rows = go_back(world)
    assert [row["subject"] for row in wrong(run, state)] == ["database"]
    assert run("migrate", "--state", state)[1] == "The database was migrated.\n"
    assert read(world.folder.sqlite) == rows
    assert read(state / "hening.sqlite.before-0003") == rows
    assert wrong(run, state) == []
    assert world.publish(world.second_release(), [PACKAGE_2]).reason == ""
    assert run("rollout", "offer", "armani/id/stable", "--state", state, "--share", "1%")[0] == 0
    assert wrong(run, state) == []
    version, _ = refresh_from_disk(world.folder)
    assert version > 4


def test_the_release_before_goes_on_after_going_down(run, world):
    """Downgraded, it has its old and new rows; upgraded again, no row is missing."""
    state = world.folder.root
    go_back(world)
    assert run("migrate", "--state", state)[0] == 0
    assert world.publish(world.second_release(), [PACKAGE_2]).reason == ""
    rows = read(world.folder.sqlite)
    go_down(world.folder.sqlite, "0001")
    assert read(world.folder.sqlite) == rows
    assert run("migrate", "--state", state)[0] == 0
    assert read(world.folder.sqlite) == rows
    assert wrong(run, state) == []

"""Possible damage to a state folder. Each returned function makes one change."""

import contextlib
import sqlite3

from server.storage.durable import write_durable


def flip(pattern, at=None):
    """Return a function that flips one bit of the first matching file, by default in its middle."""

    def change(state):
        path = min(path for path in state.glob(pattern) if path.is_file())
        data = bytearray(path.read_bytes())
        data[len(data) // 2 if at is None else at] ^= 1
        path.write_bytes(data)

    return change


def remove(pattern):
    """Return a function that removes the first matching file."""
    return lambda state: min(p for p in state.glob(pattern) if p.is_file()).unlink()


def write(path, data):
    """Return a function that writes a file that only its owner may read."""
    return lambda state: write_durable(state / path, data)


def copy(source, target):
    """Return a function that copies a file to another name."""
    return lambda state: write_durable(state / target, (state / source).read_bytes())


def run(*statements):
    """Return a function that runs statements on the SQLite database, without foreign key checks."""

    def change(state):
        path = state / "hening.sqlite"
        with contextlib.closing(sqlite3.connect(path)) as connection, connection:
            for statement in statements:
                connection.execute(statement)

    return change


def plant(table, changes):
    """Return a function that inserts a copy of a table's first row with changed values."""
    return run(
        f"CREATE TEMP TABLE planted AS SELECT * FROM {table} LIMIT 1",
        f"UPDATE planted SET {changes}",
        f"INSERT INTO {table} SELECT * FROM planted",
    )

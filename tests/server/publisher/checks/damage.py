"""What hands can do to a state folder: each function changes one thing of it."""

import contextlib
import sqlite3

from server.storage.durable import write_durable


def flip(pattern, at=None):
    """Return what flips one bit of the first file of a pattern, in its middle by default."""

    def change(state):
        path = min(path for path in state.glob(pattern) if path.is_file())
        data = bytearray(path.read_bytes())
        data[len(data) // 2 if at is None else at] ^= 1
        path.write_bytes(data)

    return change


def remove(pattern):
    """Return what removes the first file that a pattern finds."""
    return lambda state: min(p for p in state.glob(pattern) if p.is_file()).unlink()


def write(path, data):
    """Return what writes a file, which nobody else may read."""
    return lambda state: write_durable(state / path, data)


def copy(source, target):
    """Return what gives a file's bytes another name, too."""
    return lambda state: write_durable(state / target, (state / source).read_bytes())


def run(*statements):
    """Return what runs statements on the SQLite database, without its foreign keys."""

    def change(state):
        path = state / "hening.sqlite"
        with contextlib.closing(sqlite3.connect(path)) as connection, connection:
            for statement in statements:
                connection.execute(statement)

    return change


def plant(table, changes):
    """Return what copies a table's first row with other values, whatever columns it has."""
    return run(
        f"CREATE TEMP TABLE planted AS SELECT * FROM {table} LIMIT 1",
        f"UPDATE planted SET {changes}",
        f"INSERT INTO {table} SELECT * FROM planted",
    )

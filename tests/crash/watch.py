"""Reports each durable change before it is made, and each commit before and after it."""

import os
import re
import sys
from collections import Counter, defaultdict
from contextvars import ContextVar
from pathlib import Path

from sqlalchemy import Engine, event
from sqlalchemy.orm import Session

from server.storage import sqlite_connection

_WRITE = re.compile(r'\s*(?:INSERT INTO|UPDATE|DELETE FROM) "?(\w+)', re.IGNORECASE)
_HASH = re.compile(r"[0-9a-f]{64}")
_ID = re.compile(r"[0-9a-f]{32}")
#: The tables of the current commit; each task has its own value.
_LAST: ContextVar[str] = ContextVar("_LAST", default="")


def watch(root, point):
    """Call `point` with the name of each durable change, until the process ends.

    File changes are `create`, `rename`, `link`, `remove` and `rmtree` with paths relative to
    `root`; hashes and random ids in paths are replaced by `SHA` and `ID`. Commits are `commit` and
    `committed` with the written tables, and a number from the second time on.
    """
    sys.addaudithook(lambda name, args: _watch_disk(str(root), point, name, args))
    _watch_commits(point)


def _watch_disk(root, point, name, args):
    match name:
        case "open":
            path, _, flags = args
            if isinstance(path, int) or not flags & os.O_CREAT or os.path.lexists(path):
                return
            change, paths = "create", [path]
        case "os.rename" | "os.link":
            change, paths = name.removeprefix("os."), args[:2]
        case "os.remove":
            change, paths = "remove", [_absolute(*args)]
        case "shutil.rmtree":
            change, paths = "rmtree", args[:1]
        case _:
            return
    texts = [os.fsdecode(path) for path in paths]
    if not texts[0].startswith(f"{root}/") or (change != "create" and not Path(texts[0]).exists()):
        return
    point(f"{change} {' > '.join(_plain(root, text) for text in texts)}")


def _absolute(path, folder):
    """Return the absolute path of a removal, which may be relative to an open folder."""
    return path if folder == -1 else f"{Path(f'/proc/self/fd/{folder}').readlink()}/{path}"


def _plain(root, text):
    relative = text.removeprefix(f"{root}/")
    return _ID.sub("ID", _HASH.sub("SHA", relative))


def _watch_commits(point):
    counts, waiting = Counter(), defaultdict(set)  # tables by connection, as the driver knows it
    later = sqlite_connection._Connection.later

    def note(connection, statement):
        if match := _WRITE.match(statement):
            waiting[connection].add(match[1])

    def note_later(self, sql, rows=()):
        note(self, sql)
        later(self, sql, rows)

    sqlite_connection._Connection.later = note_later

    @event.listens_for(Engine, "before_cursor_execute")
    def execute(connection, _cursor, statement, *_rest):
        note(connection.connection.driver_connection, statement)

    @event.listens_for(Engine, "rollback")
    def forget(connection):
        waiting.pop(connection.connection.driver_connection, None)

    @event.listens_for(Engine, "commit")
    def before(connection):
        tables = ",".join(sorted(waiting.pop(connection.connection.driver_connection, ())))
        if tables:
            counts[tables] += 1
            tables += f" {counts[tables]}" if counts[tables] > 1 else ""
            point(f"commit {tables}")
        _LAST.set(tables)

    @event.listens_for(Session, "after_commit")
    def after(_session):
        if tables := _LAST.get():
            point(f"committed {tables}")
        _LAST.set("")

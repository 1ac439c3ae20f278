"""Statistics of writing transactions: statements, rows and flushes of files, by place."""

import contextlib
import os
import sys
import threading
from collections import Counter
from pathlib import Path

from sqlalchemy import Engine, event

from server.storage.database import Sessions

ROOT = Path(__file__).parents[2]
INNER = ("server/storage/database.py", "server/publisher/lease.py")


class Transactions:
    """The most statements, rows and flushes that one transaction of each place had.

    A statement for many rows counts as one, and each of its rows as one. `texts` has the statements
    with their places.

    A place is the file and function of the server that opened the transaction. While one of them is
    open all statements and flushes of the process count for it; on SQLite there is only one.
    """

    def __init__(self):
        self.statements = Counter()
        self.flushes = Counter()
        self.rows = Counter()
        self.texts = []
        self._lock = threading.Lock()
        self._place = ""
        self._now = Counter()

    def begin(self, place):
        """Record the begin of a transaction."""
        with self._lock:
            self._place, self._now = place, Counter()

    def count(self, kind, number=1):
        """Count something that happens in the open transaction, if there is one."""
        with self._lock:
            if self._place:
                self._now[kind] += number

    def note(self, text):
        """Record the text of a statement in the open transaction, if there is one."""
        with self._lock:
            if self._place:
                self.texts.append((self._place, text))

    def end(self):
        """Record the end of the open transaction."""
        with self._lock:
            place, self._place = self._place, ""
            kinds = {"statement": self.statements, "flush": self.flushes, "row": self.rows}
            for kind, found in kinds.items():
                found[place] = max(found[place], self._now[kind])


def find_place():
    """Return file and function of the server that opened a transaction."""
    frame = sys._getframe(1)
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        name = str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else ""
        if name.startswith("server/") and not name.startswith(INNER):
            return f"{name}:{frame.f_code.co_name}"
        frame = frame.f_back
    return "elsewhere"


@contextlib.contextmanager
def watched_transactions(monkeypatch):
    """Give the statistics, which are collected until the block ends."""
    seen = Transactions()
    begin, fsync = Sessions.begin, os.fsync

    @contextlib.asynccontextmanager
    async def counted(self):
        place = find_place()
        async with begin(self) as session:
            seen.begin(place)
            yield session
        seen.end()

    def flush(descriptor):
        seen.count("flush")
        return fsync(descriptor)

    def execute(_connection, _cursor, text, parameters, _context, is_many):
        seen.count("statement")
        seen.count("row", len(parameters) if is_many else 1)
        seen.note(text)

    monkeypatch.setattr(Sessions, "begin", counted)
    monkeypatch.setattr(os, "fsync", flush)
    event.listen(Engine, "before_cursor_execute", execute)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", execute)

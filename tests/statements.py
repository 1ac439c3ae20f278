"""Compiled SQL statements that all engines of a process share.

A server compiles each statement once, for its engine lives as long as it does. Tests open databases
for moments, several thousand times, and would compile all of them anew: that took twice the
processor time of executing them.
"""

from sqlalchemy.engine import Engine
from sqlalchemy.orm import Mapper
from sqlalchemy.util import LRUCache

MOST = 5_000


class Statements(LRUCache):
    """Statements by what is compiled and for which kind of database, not for which engine."""

    def get(self, key, default=None):
        """Return what was compiled."""
        return super().get(_by_kind(key), default)

    def __setitem__(self, key, compiled):
        """Keep what was compiled."""
        super().__setitem__(_by_kind(key), compiled)


def _by_kind(key):
    dialect, *statement = key
    return dialect.name, dialect.driver, *statement


def share_statements(patch=setattr):
    """Let all engines, and what the ORM writes, share one cache."""
    shared = Statements(MOST)
    own = property(lambda _engine: shared, lambda _engine, _made: None)
    patch(Engine, "_compiled_cache", own)
    patch(Mapper, "_compiled_cache", shared)

"""Compiled SQL statements that all engines of a process share.

A server compiles each statement once, because its engine exists as long as the server. Tests open
databases briefly, several thousand times, and would compile all statements anew: that took twice
the processor time of executing them.
"""

from sqlalchemy.engine import Engine
from sqlalchemy.orm import Mapper
from sqlalchemy.util import LRUCache

MOST = 5_000


class Statements(LRUCache):
    """Compiled statements by their source and kind of database, but not by engine."""

    def get(self, key, default=None):
        """Return the compiled statement."""
        return super().get(_by_kind(key), default)

    def __setitem__(self, key, compiled):
        """Store a compiled statement."""
        super().__setitem__(_by_kind(key), compiled)


def _by_kind(key):
    dialect, *statement = key
    return dialect.name, dialect.driver, *statement


def share_statements(patch=setattr):
    """Let all engines and the ORM's mappers share one cache."""
    shared = Statements(MOST)
    own = property(lambda _engine: shared, lambda _engine, _made: None)
    patch(Engine, "_compiled_cache", own)
    patch(Mapper, "_compiled_cache", shared)

"""Helpers for tests that go through a table of cases."""

from contextlib import contextmanager

import pytest


@contextmanager
def case(*names):
    """Add a row's name to the message of any failure inside the block."""
    try:
        yield
    except BaseException as error:
        error.add_note(f"in the case {', '.join(map(repr, names))}")
        raise


def refuse_each(error, function, values, match=None):
    """Check that a function refuses each value with an error whose message matches."""
    for value in values:
        with case(value), pytest.raises(error, match=match):
            function(value)

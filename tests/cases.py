"""Tables that one test goes through."""

from contextlib import contextmanager

import pytest


@contextmanager
def case(*names):
    """Name a row of a table in the message of whatever fails there."""
    try:
        yield
    except BaseException as error:
        error.add_note(f"in the case {', '.join(map(repr, names))}")
        raise


def refuse_each(error, function, values, match=None):
    """Check that a function refuses each of these values, with an error whose message matches."""
    for value in values:
        with case(value), pytest.raises(error, match=match):
            function(value)

"""Tables that one test goes through."""

from contextlib import contextmanager


@contextmanager
def case(*names):
    """Name a row of a table in the message of whatever fails there."""
    try:
        yield
    except BaseException as error:
        error.add_note(f"in the case {', '.join(map(repr, names))}")
        raise

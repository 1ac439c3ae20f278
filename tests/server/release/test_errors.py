import re

from server.core.errors import HeningError
from server.release import errors


def test_the_tree_is_written_down():
    """The module's docstring lists each error class below its base class."""
    classes = [
        value
        for value in vars(errors).values()
        if isinstance(value, type)
        and issubclass(value, Exception)
        and value.__module__ == errors.__name__
    ]
    assert classes
    for kind in classes:
        depth = 0 if kind.__bases__ == (HeningError,) else 1
        assert issubclass(kind, HeningError)
        assert re.search(
            rf"^    (?:│   ){{{depth}}}[├└]── {kind.__name__}\b", errors.__doc__, re.MULTILINE
        )

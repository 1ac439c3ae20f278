import pytest

from server.core import errors


@pytest.mark.parametrize(
    "name", ["FormatError", "ProfileError", "TrustError", "ReleaseError", "LogError"]
)
def test_every_error_belongs_to_the_one_tree(name):
    """Catching HeningError catches every error."""
    kind = getattr(errors, name)
    assert issubclass(kind, errors.HeningError)
    assert kind.__bases__ == (errors.HeningError,)


def test_the_tree_is_written_down():
    """The module's docstring lists each class of the module."""
    classes = [name for name, value in vars(errors).items() if isinstance(value, type)]
    assert classes
    assert all(name in errors.__doc__ for name in classes)


def test_the_root_is_no_error_of_the_language():
    """`except ValueError` never catches one of our errors."""
    assert errors.HeningError.__mro__[1] is Exception

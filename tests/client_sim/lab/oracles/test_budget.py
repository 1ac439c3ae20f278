"""A field has the size of its own row, of any request's, or none at all."""

import pytest

from client_sim.lab.oracles.budget import Budget, find_budget


@pytest.mark.parametrize(
    ("field", "of", "found"),
    [
        ("path", "request", Budget("path", "request", "1")),
        ("path", "part", Budget("path", "part", "parts")),
        ("method", "package", Budget("method", "request", "1")),
        ("names", "poll", Budget("names", "poll", "1")),
        ("names", "request", Budget("names", "request", "0")),
        ("query", "request", Budget("query", "request", "0")),
        ("header X value", "package", Budget("header X value", "package", "0")),
    ],
)
def test_the_row_of_the_kind_comes_first(field, of, found):
    """Before that of any request."""
    assert find_budget(field, of) == found


def test_a_size_is_a_number_or_an_alphabet():
    """Of which somebody may say how large it is."""
    assert Budget("a", "b", "7").most({}) == 7
    assert Budget("a", "b", "parts").most({"parts": 4}) == 4
    assert Budget("a", "b", "parts").most({"models": 4}) is None

"""The schema number of a `custom` object."""

import pytest

from server.core.errors import FormatError
from server.core.schema import check_schema

PATH = "armani/id/stable/a.zip"


@pytest.mark.parametrize("custom", [None, [], "x", 1, True, [["schema", 1]], {"Schema": 1}])
def test_a_target_without_an_object_is_refused(custom):
    """Nothing, another type, or an object without the member."""
    with pytest.raises(FormatError, match="no `custom` object with a `schema`"):
        check_schema(PATH, custom, "schema")


def test_schema_1_is_known_and_nothing_else():
    """The sentence names the schema that is not."""
    check_schema(PATH, {"v": 1}, "v")
    with pytest.raises(FormatError, match="has schema '2'; this version knows schema 1 only"):
        check_schema(PATH, {"v": 2}, "v")

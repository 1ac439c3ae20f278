"""Entity tags: what makes one stale, and which requests they allow."""

import msgspec
import pytest

from server.core.errors import FormatError
from server.release.errors import PreconditionError
from server.release.rollouts.etag import channel_etag, check_if_match
from tests.server.release.rollouts.harness import make_pointer


def test_what_makes_it_stale():
    """Any change of the pointer, and another version of the role, but nothing else."""
    pointer = make_pointer()
    tags = {
        channel_etag(None, 1),
        channel_etag(pointer, 1),
        channel_etag(pointer, 2),
        channel_etag(msgspec.structs.replace(pointer, paused=True), 1),
        channel_etag(msgspec.structs.replace(pointer, schedule=[(1, 1)]), 1),
    }
    assert len(tags) == 5
    assert channel_etag(make_pointer(), 1) in tags


@pytest.mark.parametrize("value", ['"a"', '"b", "a"', "*", ' "a" '])
def test_matches(value):
    """The tag alone, in a list, or a star."""
    check_if_match(value, '"a"')


@pytest.mark.parametrize("value", ['"b"', '"b", "c"', '"A"'])
def test_stale(value):
    """Other tags."""
    with pytest.raises(PreconditionError, match="has changed meanwhile"):
        check_if_match(value, '"a"')


@pytest.mark.parametrize("value", ['W/"a"', "a", "", '"a", *', '"a",', '""'])
def test_what_is_no_if_match(value):
    """A weak tag, one without quotation marks or with nothing in them, a star among others."""
    with pytest.raises(FormatError, match="a list of quoted entity tags"):
        check_if_match(value, '"a"')

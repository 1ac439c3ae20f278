"""Entity tags: what makes one stale, and which requests they allow."""

import msgspec

from server.core.errors import FormatError
from server.release.errors import PreconditionError
from server.release.rollouts.etag import channel_etag, check_if_match
from tests.cases import refuse_each
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


def test_what_matches():
    """The tag alone, in a list, or a star; other tags are stale.

    A weak tag, one without quotation marks or with nothing in them, and a star among others are
    malformed.
    """

    def check(value):
        check_if_match(value, '"a"')

    for value in ('"a"', '"b", "a"', "*", ' "a" '):
        check(value)
    refuse_each(PreconditionError, check, ['"b"', '"b", "c"', '"A"'], "has changed meanwhile")
    malformed = ['W/"a"', "a", "", '"a", *', '"a",', '""']
    refuse_each(FormatError, check, malformed, "a list of quoted entity tags")

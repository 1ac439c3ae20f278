"""Pictures are decoded before they are signed."""

import pytest

from server.core.content.picture import picture_size
from signer.content.decoding import check_decodes
from signer.content.errors import ContentError
from tests import jpegs
from tests.signer.content.packs import make


def test_a_picture_by_hand_is_decoded() -> None:
    """By the library that nobody here wrote."""
    check_decodes(make("wallpapers"))
    check_decodes(make("notices"))


def test_a_picture_that_shows_nothing() -> None:
    """All segments are in order, and no decoder stretches two samples to three."""
    components = ((1, 0x31, 0), (2, 0x21, 1), (3, 0x11, 1))
    odd = jpegs.picture(jpegs.COLOURS, jpegs.frame(*components), jpegs.scan((1, 0), (2, 0), (3, 0)))
    assert picture_size(odd) == (64, 64)
    with pytest.raises(ContentError, match="'waves' of wallpapers: its picture cannot be shown"):
        check_decodes(make("wallpapers", pictures={"waves": odd}))

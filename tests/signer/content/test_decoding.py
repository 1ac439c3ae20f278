"""Pictures are decoded before they are signed."""

import pytest

from server.core.content.picture import picture_size
from signer.content.decoding import check_decodes
from signer.content.errors import ContentError
from tests.server.core.content.samples import JFIF, PICTURE
from tests.signer.content.packs import make


def test_a_picture_by_hand_is_decoded() -> None:
    """By the library that nobody here wrote."""
    check_decodes(make("wallpapers"))
    check_decodes(make("notices"))


def test_a_picture_that_shows_nothing() -> None:
    """All of its segments are in order, and the tables that they need are not there."""
    bare = b"\xff\xd8" + JFIF + PICTURE[PICTURE.index(b"\xff\xc0") :]
    assert picture_size(bare) == (64, 64)
    with pytest.raises(ContentError, match="'waves' of wallpapers: its picture cannot be shown"):
        check_decodes(make("wallpapers", pictures={"waves": bare}))

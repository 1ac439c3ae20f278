"""Zones as delivered with Python, and bytes that are no zones."""

import contextlib
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.core.content.zones import check_tzif
from server.core.errors import FormatError
from tests.server.core.content.samples import tzif


def test_every_zone_of_tzdata_is_sound():
    """Five hundred files written by another program."""
    folder = resources.files("tzdata")
    names = folder.joinpath("zones").read_text().split()
    assert len(names) > 500
    for name in names:
        check_tzif(folder.joinpath("zoneinfo", *name.split("/")).read_bytes())


@pytest.mark.parametrize(
    "footer",
    [b"", b"UTC0", b"EST5EDT,M3.2.0,M11.1.0", b"<-03>3", b"IST-1GMT0,M10.5.0,M3.5.0/1", b"A-1B"],
)
def test_footers(footer):
    """POSIX rules; a name has three letters."""
    if footer == b"A-1B":
        with pytest.raises(FormatError, match="no TZ string"):
            check_tzif(tzif(footer))
    else:
        check_tzif(tzif(footer))


@given(st.data())
def test_a_zone_that_is_changed_anywhere_raises_only_our_error(data):
    """Bytes are exchanged, removed or added."""
    content = bytearray(
        resources.files("tzdata").joinpath("zoneinfo", "Asia", "Jakarta").read_bytes()
    )
    at = data.draw(st.integers(0, len(content) - 1))
    content[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=3))
    with contextlib.suppress(FormatError):
        check_tzif(bytes(content))

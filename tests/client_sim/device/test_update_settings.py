from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_sim.device.conditions import UpdateSettings
from client_sim.device.errors import StateError
from client_sim.device.update_settings import (
    decode_settings,
    encode_settings,
    load_settings,
    store_settings,
)
from tests.cases import case

GOLDEN = b'{"asks":true,"quiet":[1380,420],"schema":1,"takes_metered":false}\n'
minutes = st.integers(0, 1439)


def test_the_encoding_is_the_one_on_the_page():
    """Canonical JSON, written by hand; a new phone installs by itself and never for money."""
    assert encode_settings(UpdateSettings(asks=True, quiet=(1380, 420))) == GOLDEN
    assert load_settings({}) == UpdateSettings(asks=False, takes_metered=False, quiet=None)


@given(
    st.builds(
        UpdateSettings,
        asks=st.booleans(),
        takes_metered=st.booleans(),
        quiet=st.none() | st.tuples(minutes, minutes),
    )
)
def test_what_is_stored_is_read_again(settings):
    """Every setting survives."""
    state = {}
    store_settings(state, settings)
    assert load_settings(state) == settings


def test_a_changed_byte_is_noticed():
    """Each byte flipped: refused, or other valid settings, never something else."""
    for place, byte in enumerate(GOLDEN):
        data = GOLDEN[:place] + bytes([byte ^ 1]) + GOLDEN[place + 1 :]
        with case(place), suppress(StateError):
            assert encode_settings(decode_settings(data)) == data


@given(st.binary(max_size=100))
def test_arbitrary_bytes_raise_nothing_else(data):
    """StateError, and nothing of the library below."""
    with pytest.raises(StateError):
        decode_settings(data)


def test_malformed_settings_are_refused():
    """Too long, too deep, out of range, one end only, of another type or schema."""
    for data in (
        GOLDEN + b" " * 1024,
        b"[" * 1000,
        GOLDEN.replace(b"1380", b"1440"),
        GOLDEN.replace(b"1380,420", b"1380"),
        GOLDEN.replace(b"true", b"1"),
        GOLDEN.replace(b'"schema":1', b'"schema":2'),
    ):
        with case(data), pytest.raises(StateError):
            decode_settings(data)

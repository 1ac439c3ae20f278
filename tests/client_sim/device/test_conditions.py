from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_sim.device.choose import Offer
from client_sim.device.conditions import (
    MINUTES_OF_A_DAY,
    Conditions,
    UpdateSettings,
    decode_settings,
    encode_settings,
    format_minute,
    is_quiet,
    judge_conditions,
    load_settings,
    store_settings,
)
from client_sim.device.errors import StateError
from tests.cases import case

OFFER = Offer("a/b/c/d.zip", 1000, "0" * 64, "full", 2, 1, "2026-01-05", 0, (), 2)


def _unmet(conditions=None, settings=None, agreed=None):
    """Return the names of the conditions that are not met."""
    checks = judge_conditions(
        OFFER,
        conditions or Conditions(),
        settings or UpdateSettings(),
        agreed=agreed,
        room=OFFER.length,
    )
    assert [check.name for check in checks] == ["consent", "quiet", "battery", "network", "room"]
    return [check.name for check in checks if not check.passed]


def test_battery_level():
    """30 percent is needed, or 10 on the charger; other unmet conditions are reported as well."""
    for percent, is_charging, is_met in (
        (30, False, True),
        (29, False, False),
        (10, True, True),
        (9, True, False),
        (0, False, False),
    ):
        with case(percent, is_charging, is_met):
            assert (_unmet(Conditions(percent, is_charging=is_charging)) == []) == is_met
            worst = Conditions(percent, is_charging=is_charging, is_metered=True, free_bytes=0)
            assert _unmet(worst)[-2:] == ["network", "room"]


def test_network_room_and_consent():
    """Metered downloads need the owner's setting, and consent is for one build.

    Exactly as much room as the package needs is enough.
    """
    metered, asks = Conditions(is_metered=True), UpdateSettings(asks=True)
    assert _unmet(metered) == ["network"]
    assert _unmet(metered, UpdateSettings(takes_metered=True)) == []
    assert _unmet(Conditions(free_bytes=1000)) == []
    assert _unmet(Conditions(free_bytes=999)) == ["room"]
    for agreed, unmet in ((None, ["consent"]), (1, ["consent"]), (2, [])):
        assert _unmet(settings=asks, agreed=agreed) == unmet


def test_quiet_hours():
    """Quiet hours may cross midnight, and equal ends are never quiet.

    They delay an update until their end. With an unknown local time they do not apply.
    """
    for quiet, minutes in (
        ((60, 120), 60),
        ((1380, 420), 480),
        ((0, 1439), 1439),
        ((5, 5), 0),
        ((1439, 0), 1),
    ):
        with case(quiet, minutes):
            found = [minute for minute in range(MINUTES_OF_A_DAY) if is_quiet(minute, quiet)]
            assert len(found) == minutes
            assert (quiet[0] in found) == (minutes > 0)
            assert quiet[1] not in found
    settings = UpdateSettings(quiet=(1380, 420))
    assert _unmet(Conditions(local_minute=419), settings) == ["quiet"]
    assert _unmet(Conditions(local_minute=420), settings) == []
    unknown = judge_conditions(OFFER, Conditions(), settings, agreed=None, room=OFFER.length)[1]
    assert unknown.passed
    assert unknown.sentence == "The local time is unknown, so the quiet hours do not apply."
    assert [format_minute(minute) for minute in (0, 450, 1439)] == ["00:00", "07:30", "23:59"]


GOLDEN = b'{"asks":true,"quiet":[1380,420],"schema":1,"takes_metered":false}\n'
minutes = st.integers(0, 1439)


def test_encoding_of_settings():
    """Settings are canonical JSON; a new phone installs by itself, and not on metered networks."""
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
def test_settings_round_trip(settings):
    """Every setting survives."""
    state = {}
    store_settings(state, settings)
    assert load_settings(state) == settings


def test_each_flipped_byte():
    """A flipped byte is refused, or leads to other valid settings."""
    for place, byte in enumerate(GOLDEN):
        data = GOLDEN[:place] + bytes([byte ^ 1]) + GOLDEN[place + 1 :]
        with case(place), suppress(StateError):
            assert encode_settings(decode_settings(data)) == data


@given(st.binary(max_size=100))
def test_arbitrary_bytes_raise_only_state_error(data):
    """A decoder raises no error of the library."""
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

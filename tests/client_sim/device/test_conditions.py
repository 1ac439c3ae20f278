from client_sim.device.choose import Offer
from client_sim.device.conditions import (
    MINUTES_OF_A_DAY,
    Conditions,
    UpdateSettings,
    format_minute,
    is_quiet,
    judge_conditions,
)
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


def test_the_battery():
    """30 percent, or 10 on the charger; the owner learns whatever else is in the way as well."""
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
    """Downloads that may cost money are the owner's decision; consent is for one build.

    Exactly as many bytes as are needed are enough.
    """
    metered, asks = Conditions(is_metered=True), UpdateSettings(asks=True)
    assert _unmet(metered) == ["network"]
    assert _unmet(metered, UpdateSettings(takes_metered=True)) == []
    assert _unmet(Conditions(free_bytes=1000)) == []
    assert _unmet(Conditions(free_bytes=999)) == ["room"]
    for agreed, unmet in ((None, ["consent"]), (1, ["consent"]), (2, [])):
        assert _unmet(settings=asks, agreed=agreed) == unmet


def test_quiet_hours_have_the_length_that_they_say():
    """Over all minutes of a day, across midnight too; equal ends are never quiet.

    They stop an update until their end, and where the time is not known. Minutes are told as times.
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
    assert _unmet(Conditions(), settings) == []
    assert [format_minute(minute) for minute in (0, 450, 1439)] == ["00:00", "07:30", "23:59"]

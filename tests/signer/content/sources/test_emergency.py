"""Emergency numbers: the answers of phonenumbers, for all countries."""

import random

import pytest
from phonenumbers import SUPPORTED_REGIONS, SUPPORTED_SHORT_REGIONS
from phonenumbers.shortnumberinfo import connects_to_emergency_number, is_emergency_number

from signer.content.sources import emergency
from signer.content.sources.emergency import load_emergency
from signer.errors import SourceError
from tests.content_rules import check_pack


@pytest.fixture(scope="module")
def built():
    """Give what is built of all countries."""
    return load_emergency()


@pytest.fixture(scope="module")
def entries(built):
    """Give the entries of all countries."""
    return built.entries


def questions(entry, seed):
    """Return numbers to ask about: a country's own, those near them, and others."""
    draw = random.Random(seed)
    near = [
        number[:length] + "".join(draw.choices("0123456789", k=more))
        for number in entry["numbers"]
        for length in range(len(number) + 1)
        for more in (0, 1, 3)
    ]
    return [*near, *("".join(draw.choices("0123456789", k=3)) for _ in range(40)), "112", "911"]


def test_answers_are_those_of_phonenumbers_for_all_countries(entries):
    """What an entry says of a number, exactly and as the beginning of another, is its answer."""
    assert sorted(entries) == sorted(SUPPORTED_SHORT_REGIONS)
    assert len(entries) > 230
    asked = 0
    for country, entry in entries.items():
        numbers = entry["numbers"]
        for number in questions(entry, country):
            reaches = number in numbers or (
                not entry["exact"] and any(number.startswith(each) for each in numbers)
            )
            assert (number in numbers) == is_emergency_number(number, country), (country, number)
            assert reaches == connects_to_emergency_number(number, country), (country, number)
            asked += 1
    assert asked > 15_000


def test_countries_without_short_numbers_are_told(built):
    """The package knows how people dial in Tokelau, and not whom they call for help."""
    [told] = built.left_out.to_json()
    assert told["names"].keys() | built.entries.keys() == set(SUPPORTED_REGIONS)
    assert told["names"]["TK"] == 1
    assert told["count"] == len(SUPPORTED_REGIONS) - len(SUPPORTED_SHORT_REGIONS)


def test_numbers_are_those_that_people_know(entries) -> None:
    """Digits alone, ascending as text, none twice; some that countries tell their people."""
    assert {"110", "112", "113", "118", "119"} <= set(entries["ID"]["numbers"])
    assert entries["DE"]["numbers"] == ["110", "112"]
    assert entries["US"]["numbers"] == ["112", "911"]
    assert "000" in entries["AU"]["numbers"]
    assert [key for key, entry in entries.items() if entry["exact"]] == ["BR", "CL", "NI"]
    assert check_pack("emergency", entries) < 10_000
    assert len(entries["GA"]["numbers"]) == 102
    for entry in entries.values():
        assert entry["numbers"] == sorted(set(entry["numbers"]))
        assert all(each.isdigit() and 2 <= len(each) <= 8 for each in entry["numbers"])


def test_numbers_too_long_to_be_tried_are_refused(monkeypatch):
    """Rather no pack than one that lacks numbers."""
    monkeypatch.setattr(emergency, "MAX_DIGITS", 2)
    with pytest.raises(SourceError, match=r"emergency numbers of \d digits"):
        load_emergency()

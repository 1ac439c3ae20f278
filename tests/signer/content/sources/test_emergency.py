"""Emergency numbers: the answers of phonenumbers for all countries."""

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
    """Build the pack of all countries."""
    return load_emergency()


@pytest.fixture(scope="module")
def entries(built):
    """Return the entries of all countries."""
    return built.entries


def questions(entry, seed):
    """Return a country's own numbers, similar ones, and others."""
    draw = random.Random(seed)
    near = [
        number[:length] + "".join(draw.choices("0123456789", k=more))
        for number in entry["numbers"]
        for length in range(len(number) + 1)
        for more in (0, 1, 3)
    ]
    return [*near, *("".join(draw.choices("0123456789", k=3)) for _ in range(40)), "112", "911"]


def test_answers_of_phonenumbers(entries):
    """For each number an entry gives the answers of phonenumbers, exact and as a prefix."""
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


def test_countries_without_short_numbers_are_left_out(built):
    """For some countries the package has no short numbers."""
    [result] = built.left_out.to_json()
    assert result["names"].keys() | built.entries.keys() == set(SUPPORTED_REGIONS)
    assert result["names"]["TK"] == 1
    assert result["count"] == len(SUPPORTED_REGIONS) - len(SUPPORTED_SHORT_REGIONS)


def test_known_numbers(entries) -> None:
    """Numbers are sorted digits without duplicates; well known ones are there."""
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


def test_too_long_numbers_are_refused(monkeypatch):
    """Missing numbers would be worse than no pack."""
    monkeypatch.setattr(emergency, "MAX_DIGITS", 2)
    with pytest.raises(SourceError, match=r"emergency numbers of \d digits"):
        load_emergency()

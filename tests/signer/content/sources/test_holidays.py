"""Public holidays of all countries, in the local language and in English."""

import holidays as package
import pytest

from signer.content.sources.holidays import load_holidays
from tests.content_rules import check_pack


@pytest.fixture
def load(monkeypatch):
    """Return a function that builds the holidays of one country."""

    def build(years, country):
        listed = "signer.content.sources.holidays.list_supported_countries"
        monkeypatch.setattr(listed, lambda **_options: [country])
        return load_holidays(years)

    return build


def test_holidays_of_indonesia(load):
    """Fixed holidays, Nyepi and Idul Fitri of 2026, in Indonesian and in English."""
    built = load([2026], "ID")
    days = dict(built.entries["ID-2026"]["days"])
    assert days["2026-08-17"] == {
        "en": "Independence Day",
        "id": "Hari Kemerdekaan Republik Indonesia",
    }
    assert {"2026-01-01", "2026-03-19", "2026-03-21", "2026-12-25"} <= set(days)
    assert list(days) == sorted(days)
    assert built.sources == [{"licence": "MIT", "name": "holidays", "version": package.__version__}]


def test_system_language_has_no_effect(load, monkeypatch) -> None:
    """A pack does not depend on the system; several holidays of one day are joined."""
    expected = load([2026], "DE").entries
    for language in ("en_US", "uk"):
        monkeypatch.setenv("LANGUAGE", language)
        monkeypatch.setenv("LANG", language)
        assert load([2026], "DE").entries == expected
    names = dict(expected["DE-2026"]["days"])["2026-10-03"]
    assert names == {"de": "Tag der Deutschen Einheit", "en": "German Unity Day"}
    assert {len(names) for _, names in load([2026], "US").entries["US-2026"]["days"]} == {1}
    names = dict(load([2025], "KR").entries["KR-2025"]["days"])["2025-05-05"]
    assert sorted(names["en"].split("; ")) == ["Buddha's Birthday", "Children's Day"]


def test_each_country_has_an_entry():
    """Each country of the package has an entry, also without holidays."""
    built = load_holidays([2026])
    assert set(built.entries) == {
        f"{country}-2026" for country in package.list_supported_countries(include_aliases=False)
    }
    assert len(built.entries) >= 250
    assert check_pack("holidays", built.entries) < 80_000


def test_left_out_holidays(load) -> None:
    """Years that cannot be computed, regions and other kinds are left out."""
    built = load([1600], "ID")
    assert built.entries == {}
    assert {
        "count": 1,
        "names": {"ID-1600": 1},
        "reason": "a year that holidays cannot compute",
    } in built.left_out.to_json()
    built = load([2026, 2027], "DE")
    assert {each["reason"]: each["names"] for each in built.left_out.to_json()} == {
        "a part of a country, with holidays that only it has": {"DE": 17},
        "a kind of holidays that are not public": {"DE: catholic": 1, "DE: school": 1},
    }
    built = load([2026], "KH")
    assert {len(names["km"]) for _, names in built.entries["KH-2026"]["days"]} >= {120}
    assert built.notes[0].startswith("KH, 2026-10-15: the name is cut to 120 characters: ")

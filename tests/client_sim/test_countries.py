"""Homes of owners: each country of the real list, and each language with greetings."""

import re
from dataclasses import fields
from pathlib import Path
from xml.etree import ElementTree as ET
from zoneinfo import available_timezones

import pytest

from client_sim.countries import COUNTRIES, count_homes, settle
from client_sim.persona import make_persona
from tests.cases import case

OWNER = make_persona(1)
PROVIDERS = Path("/usr/share/mobile-broadband-provider-info/serviceproviders.xml")
GREETINGS = Path("signer/content/texts/greetings")
HOME = {"locale", "time_zone", "carrier"}


def test_home_changes_locale_zone_and_carrier():
    """The first and the last country of the list, and further networks of one country."""
    first = settle(OWNER, 0)
    assert (first.locale, first.time_zone, first.carrier) == ("ca-AD", "Europe/Andorra", "213-03")
    assert settle(OWNER, 153).locale == "en-ZA"
    indonesia = [country.name for country in COUNTRIES].index("ID")
    homes = [settle(OWNER, indonesia + 154 * turn) for turn in range(4)]
    assert [home.carrier for home in homes] == ["510-89", "510-08", "510-21", "510-89"]
    changed = {f.name for f in fields(OWNER) if getattr(first, f.name) != getattr(OWNER, f.name)}
    assert changed == HOME


def test_every_country_has_a_zone_and_networks_of_its_own():
    """Countries are sorted and distinct, time zones exist, and networks have numbers."""
    names = [country.name for country in COUNTRIES]
    assert names == sorted(set(names))
    assert len(names) == 154
    assert {country.zone for country in COUNTRIES} <= available_timezones()
    for country in COUNTRIES:
        assert all(re.fullmatch("[0-9]{3}-[0-9]{2,3}", network) for network in country.networks)
        assert len(set(country.networks)) == len(country.networks) in {1, 2, 3}


@pytest.mark.needs("mobile-broadband")
def test_countries_and_networks_are_those_of_the_list():
    """The first three networks of each listed country; two have no network of their own there."""
    listed = {
        country.get("code").upper(): {
            f"{each.get('mcc')}-{each.get('mnc')}" for each in country.iter("network-id")
        }
        for country in ET.parse(PROVIDERS).iterfind("country")
    }
    assert listed.keys() == {country.name for country in COUNTRIES}
    for country in COUNTRIES:
        own = listed[country.name]
        assert own >= set(country.networks) or (country.name in {"CG", "GL"} and not own)
        assert len(country.networks) == (min(3, len(own)) or 1)


def test_languages_with_greetings_have_a_country():
    """Each language of the ROM's greetings is the language of a country."""
    texts = {path.stem for path in GREETINGS.glob("??.yaml")}
    assert len(texts) == 7
    assert texts <= {country.language for country in COUNTRIES}


def test_homes_are_counted():
    """The first owners have different countries, later ones further networks."""
    for owners, homes in (
        (1, (1, 1, 1)),
        (154, (154, 154, 67)),
        (462, (154, 381, 67)),
        (9_999, (154, 381, 67)),
    ):
        with case(owners, homes):
            assert count_homes(owners) == homes

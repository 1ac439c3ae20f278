"""Packs of real sources are valid on the phone and give the answers of their sources."""

import datetime as dt
import itertools
import random
import xml.etree.ElementTree as ET
import zoneinfo
from functools import cache
from importlib.resources import files
from pathlib import Path

import certifi
import phonenumbers
import pytest
from phonenumbers import shortnumberinfo

from client_sim.content.apn import encode_android, find_apns
from client_sim.content.ca import compare_trust, decode_pem, list_certificates
from client_sim.content.countries import find_emergency
from client_sim.content.fetch import check_entries
from client_sim.content.index import decode_part
from client_sim.content.kinds import KINDS
from client_sim.content.zones import load_zone
from signer.content.sources.apn import load_apn
from signer.content.sources.ca import load_ca
from signer.content.sources.emergency import load_emergency
from signer.content.sources.zones import load_zones
from tests.client_sim.content.packs import encode_parts

PROVIDERS = Path("/usr/share/mobile-broadband-provider-info/serviceproviders.xml")


def through_parts(kind, built):
    """Return the checked entries as a phone decodes them."""
    entries = {}
    for number, data in enumerate(encode_parts(kind, built.entries)):
        entries |= decode_part(data, KINDS[kind], number)
    check_entries(kind, entries, hosts=frozenset(), pictures={}, wallpapers=None)
    return entries


@cache
def real_zones():
    """Return the entries of the pack of zones."""
    return through_parts("zones", load_zones())


@cache
def real_numbers():
    """Return the entries of the pack of emergency numbers."""
    return through_parts("emergency", load_emergency())


def test_zones_answer_as_the_standard_library_does():
    """7,000 random zones and times from 1900 to 2150 have the same offset, name and season."""
    zones = real_zones()
    assert len(zones) > 590
    draw = random.Random(8)
    for name in sorted(zones):
        own = load_zone(zones, name)
        with (files("tzdata") / "zoneinfo" / name).open("rb") as file:
            theirs = zoneinfo.ZoneInfo.from_file(file)
        for _ in range(12):
            seconds = draw.randrange(-2_208_988_800, 5_680_281_600)
            moment = dt.datetime.fromtimestamp(seconds, theirs)
            expected = (moment.utcoffset(), moment.tzname(), bool(moment.dst()))
            found = own.find(seconds)
            offset = dt.timedelta(seconds=found.offset)
            assert (offset, found.name, found.is_summer) == expected, (name, seconds)


def test_emergency_numbers_are_those_of_phonenumbers():
    """Each region's own numbers, longer ones, and other short numbers give the same answers."""
    entries = real_numbers()
    draw = random.Random(8)
    others = [f"{draw.randrange(10**digits):0{digits}}" for digits in (2, 3, 3, 3, 4, 5, 6)]
    for region in phonenumbers.SUPPORTED_SHORT_REGIONS:
        found = find_emergency(entries, region)
        for number in (*found.numbers[:20], *others, "112", "911"):
            for dialled in (number, number + "0"):
                expected = shortnumberinfo.connects_to_emergency_number(dialled, region)
                assert found.is_emergency(dialled) == expected, (region, dialled)


DIALLED = (
    *("{0}-{1}", "({0}{1})", "{0} {1}", "*{0}{1}", "{0}{1}#", "tel:{0}{1}", "{0}{1}abc"),
    *("a{0}{1}b", "+{0}{1}", " +{0}{1}", "\uff0b{0}{1}", "x+{0}{1}", "{0}+{1}", "{0}{1}+"),
    *("{0}{1}/x5", "{0}{1}\\  x5", "{0}/ x{1}", "{0}/{1}", "{0}x{1}", "\u200e{0}{1}"),
    *("{0}\xb2{1}", "\xb2{0}{1}", "{0}{1}_", "{0}{1}\u2460", "", "()", "+", "\xb2"),
)
SCRIPTS = ["0123456789", *("".join(map(chr, range(s, s + 10))) for s in (0x660, 0x6F0, 0xFF10))]


def test_dialled_text_is_read_as_by_phonenumbers():
    """Separators between the digits and digits of other scripts give the same answers."""
    entries = real_numbers()
    for region, number in (("US", "911"), ("ID", "112"), ("BR", "190"), ("DE", "110"), ("CL", "9")):
        found = find_emergency(entries, region)
        for digits, form in itertools.product(SCRIPTS, DIALLED):
            written = number.translate({ord("0") + n: digits[n] for n in range(10)})
            dialled = form.format(written[0], written[1:])
            expected = shortnumberinfo.connects_to_emergency_number(dialled, region)
            assert found.is_emergency(dialled) == expected, (region, dialled)
    us = find_emergency(entries, "US")
    assert all(us.is_emergency(dialled) for dialled in ("9-1-1", "(911)", "\u0661\u0661\u0662"))
    assert not us.is_emergency("+911")


def test_summer_time_of_dublin():
    """Dublin's database entries mark winter, which is no summer time; Berlin's mark summer."""
    entries = real_zones()
    for name, date, expected in (
        ("Europe/Dublin", (2026, 1, 15), ("GMT", False)),
        ("Europe/Dublin", (2026, 7, 15), ("IST", False)),
        ("Europe/Dublin", (1999, 1, 15), ("GMT", False)),
        ("Europe/Berlin", (2026, 7, 15), ("CEST", True)),
        ("Europe/Berlin", (1999, 7, 15), ("CEST", True)),
        ("Europe/Berlin", (1999, 1, 15), ("CET", False)),
    ):
        seconds = int(dt.datetime(*date, tzinfo=dt.UTC).timestamp())
        zone = load_zone(entries, name)
        assert (zone.find(seconds).name, zone.is_summer(seconds)) == expected


def test_the_trust_store_is_that_of_certifi():
    """The pack adds no certificate to certifi's file, and omits only noted ones."""
    built = load_ca()
    own = list_certificates(through_parts("ca", built))
    found = compare_trust(decode_pem(Path(certifi.where()).read_bytes()), own)
    assert not found.added
    assert found.kept == len(own) > 100
    assert len(found.removed) == len(built.notes)


@pytest.mark.needs("mobile-broadband")
def test_access_points_of_debians_list():
    """Each of 1,263 access points of upstream's Android form is found by its network.

    Encoded as Android's XML again, each network has its own file.
    """
    entries = through_parts("apn", load_apn(PROVIDERS, "20250613"))
    android = ET.parse(PROVIDERS.with_name("apns-conf.xml"))
    wanted = [apn.attrib for apn in android.iterfind("apn") if apn.get("mcc")]
    assert len(wanted) == 1_281 - 18  # those of no network
    written: dict[tuple[str, str], list[dict[str, str]]] = {}
    for each in wanted:
        network = (each["mcc"], each["mnc"])
        if network not in written:
            text = encode_android(find_apns(entries, *network), *network)
            written[network] = [apn.attrib for apn in ET.fromstring(text.encode())]
        found = [apn for apn in written[network] if apn["apn"] == each["apn"].strip()]
        assert found, each
        assert {(apn["mcc"], apn["mnc"]) for apn in found} == {network}
    assert len(written) == 521

"""Access points: each network and access point of Debian's list, counted by xmllint."""

import subprocess
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signer.content.sources.apn import ReadReport, load_apn, make_access_point
from signer.content.sources.build_result import LeftOut
from signer.errors import SourceError
from tests.cases import case
from tests.content_rules import check_pack

FOLDER = Path("/usr/share/mobile-broadband-provider-info")
PROVIDERS = FOLDER / "serviceproviders.xml"
ANDROID = FOLDER / "apns-conf.xml"
VERSION = "20250613"
#: Members with the same meaning in both forms.
COMMON = ("apn", "mmsc", "password", "user")


def xpath(path: Path, expression: str) -> list[str]:
    """Return what xmllint finds: attributes' values, or a number."""
    found = subprocess.run(
        ["xmllint", "--nonet", "--xpath", expression, str(path)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    if expression.startswith("count("):
        return [found.strip()]
    return [line.strip().partition("=")[2].strip('"') for line in found.splitlines()]


def write(path: Path, body: str) -> Path:
    """Write a list of providers of one country."""
    path.write_text(
        f'<serviceproviders format="2.0"><country code="id"><name>x</name>{body}</country>'
        "</serviceproviders>"
    )
    return path


def points_of(entries):
    """Return each access point of each network, reduced to the members of both forms."""
    return {
        (key, *(point.get(name) for name in COMMON))
        for key, entry in entries.items()
        for point in entry["apns"]
    }


@pytest.mark.needs("mobile-broadband", "xmllint")
def test_networks_of_debians_list():
    """All networks whose provider has access points, and the countries of the others."""
    with_points = "//gsm[apn]/network-id"
    networks = {
        f"{mcc}-{mnc}"
        for mcc, mnc in zip(
            xpath(PROVIDERS, f"{with_points}/@mcc"),
            xpath(PROVIDERS, f"{with_points}/@mnc"),
            strict=True,
        )
    }
    countries = xpath(PROVIDERS, "//country[provider/gsm[apn and not(network-id)]]/@code")
    built = load_apn(PROVIDERS, VERSION)
    assert set(built.entries) == networks | {code.upper() for code in countries}
    assert len(built.entries) == 824
    assert check_pack("apn", built.entries) < 60_000
    assert built.sources == [
        {"licence": "CC-PDDC", "name": "mobile-broadband-provider-info", "version": VERSION}
    ]


@pytest.mark.needs("mobile-broadband", "xmllint")
def test_access_points_of_debians_list():
    """All 1,281 access points of 154 countries are there, and Android's form has no others."""
    assert xpath(PROVIDERS, "count(//country)") == ["154"]
    assert xpath(PROVIDERS, "count(//apn)") == ["1281"]
    assert xpath(ANDROID, "count(//apn)") == ["1281"]
    assert xpath(ANDROID, "count(//apn[@mcc=''])") == ["18"]
    whole = load_apn(PROVIDERS, VERSION).entries
    android = load_apn(ANDROID, VERSION, name="x", licence="MIT")
    held = points_of(whole)
    without_centre = {(key, apn, *rest) for key, apn, _, *rest in held}
    # Upstream's Android form lacks the MMS centre of access points for data and MMS.
    for key, apn, mmsc, *rest in points_of(android.entries):
        assert mmsc is not None or (key, apn, *rest) in without_centre
        assert mmsc is None or (key, apn, mmsc, *rest) in held
    left_out = {each["reason"]: each["count"] for each in android.left_out.to_json()}
    assert left_out["an access point of no network"] == 18
    seen = 0
    for country in ET.parse(PROVIDERS).iterfind("country"):
        for gsm in country.iterfind("provider/gsm"):
            networks = [f"{each.get('mcc')}-{each.get('mnc')}" for each in gsm.iter("network-id")]
            for point in gsm.iterfind("apn"):
                seen += 1
                words = (point.get("value"), *map(point.findtext, ("mmsc", "password", "username")))
                wanted = tuple((word or "").strip() or None for word in words)
                for key in networks or [country.get("code").upper()]:
                    assert (key, *wanted) in held
    assert seen == 1281


@pytest.mark.needs("mobile-broadband")
def test_access_point_of_telkomsel():
    """Telkomsel's access point is that of the list of 2025."""
    points = load_apn(PROVIDERS, VERSION).entries["510-10"]["apns"]
    assert {
        "apn": "telkomsel",
        "carrier": "Telkomsel",
        "password": "wap123",
        "types": ["default", "supl"],
        "user": "wap",
    } in [{**point, "carrier": point["carrier"].partition(":")[0]} for point in points]


def test_primary_provider_comes_first(tmp_path):
    """The networks of a provider share its access points; virtual operators follow."""
    path = write(
        tmp_path / "a.xml",
        '<provider><name>Guest</name><gsm><network-id mcc="510" mnc="01"/>'
        '<apn value="guest"><usage type="internet"/></apn></gsm></provider>'
        '<provider primary="true"><name xml:lang="id">Tuan</name><name>Host</name><gsm>'
        '<network-id mcc="510" mnc="01"/><network-id mcc="510" mnc="021"/>'
        '<apn value="mms "><usage type="mms"/><name>Host MMS</name><username/>'
        "<authentication method='chap'/><mmsc>http://mms</mmsc>"
        "<mmsproxy>10.0.0.1:8080</mmsproxy></apn></gsm></provider>",
    )
    mms = {
        "apn": "mms",
        "auth": "chap",
        "carrier": "Host: Host MMS",
        "mmsc": "http://mms",
        "mmsport": 8080,
        "mmsproxy": "10.0.0.1",
        "types": ["mms"],
    }
    guest = {"apn": "guest", "carrier": "Guest", "types": ["default", "supl"]}
    assert load_apn(path, "1").entries == {
        "510-01": {"apns": [mms, guest]},
        "510-021": {"apns": [mms]},
    }


def test_left_out_elements_are_counted(tmp_path) -> None:
    """Elements without a place in entries are counted by name."""
    path = write(
        tmp_path / "a.xml",
        "<provider><name>A</name><cdma><name>B</name><dns>1</dns></cdma><gsm><balance-check>"
        "<ussd>1</ussd></balance-check>"
        '<apn value="a"><plan type="prepaid"/><dns>1</dns><dns>2</dns></apn></gsm></provider>',
    )
    built = load_apn(path, "1")
    assert built.notes == ()
    (result,) = built.left_out.to_json()
    assert result["names"] == {"<balance-check>": 1, "<cdma>": 1, "<dns>": 2, "<plan>": 1}
    assert (result["count"], result["reason"]) == (5, "entries have no place for it")


def test_left_out_attributes_are_counted(tmp_path) -> None:
    """Attributes of Android's form without a place in entries are counted by name."""
    path = tmp_path / "a.xml"
    path.write_text(
        '<apns version="8"><apn carrier="A" mcc="510" mnc="11" apn="a" mtu="1400" mvno_type="spn"/>'
        '<apn carrier="A" mcc="510" mnc="12" apn="a" mtu="1400"/></apns>'
    )
    built = load_apn(path, "1", name="x", licence="MIT")
    assert built.left_out.to_lines(10) == [
        "Left out (3): entries have no place for it: mtu (2); mvno_type"
    ]


def test_left_out_networks_are_counted(tmp_path) -> None:
    """Duplicates, impossible numbers and networks without access points are reported."""
    path = write(
        tmp_path / "a.xml",
        '<provider><name>A</name><gsm><apn value="a"/><apn value="a"/></gsm></provider>'
        '<provider><name>B</name><gsm><network-id mcc="510" mnc="02"/></gsm></provider>'
        '<provider><name>C</name><gsm><network-id mcc="5" mnc="0"/></gsm></provider>',
    )
    built = load_apn(path, "1")
    assert built.entries == {"ID": {"apns": [{"apn": "a", "carrier": "A", "types": ["default"]}]}}
    assert built.notes == ("ID, B: no access points for 510-02",)
    assert {each["reason"]: each["names"] for each in built.left_out.to_json()} == {
        "an access point that its network has already": {"ID": 1},
        "numbers that no network can have": {"ID, C: 5-0": 1},
    }


def test_name_and_licence_of_list(tmp_path):
    """Android's form and other lists need a name and a licence."""
    path = tmp_path / "a.xml"
    path.write_text('<apns version="8"><apn carrier="A" mcc="510" mnc="11" apn="a"/></apns>')
    for options in ({}, {"name": "x"}, {"licence": "MIT"}):
        with pytest.raises(SourceError, match="give --source-name and --source-licence"):
            load_apn(path, "1", **options)
    own = write(
        tmp_path / "b.xml", '<provider><name>A</name><gsm><apn value="a"/></gsm></provider>'
    )
    with pytest.raises(SourceError, match="does not name its publisher"):
        load_apn(own, "1", name="our list")
    built = load_apn(own, "1", name="our list", licence="MIT")
    assert built.sources == [{"licence": "MIT", "name": "our list", "version": "1"}]


def test_android_form(tmp_path):
    """Authentication, protocol and proxies are read; a star means all types."""
    path = tmp_path / "apns-conf.xml"
    path.write_text(
        '<apns version="8">'
        '<apn carrier="A" mcc="510" mnc="11" apn="a" authtype="3" protocol="IPV4V6"'
        ' proxy="10.0.0.2" port="80" type="default,ia,vsim" user="" mmsport="99999"/>'
        '<apn carrier="B" mcc="510" mnc="11" apn="b" type="*" authtype="-1"/>'
        '<apn carrier="C" mcc="510" mnc="11" apn="c" carrier_enabled="false"/>'
        "</apns>"
    )
    built = load_apn(path, "1", name="our list", licence="Apache-2.0")
    first, second = built.entries["510-11"]["apns"]
    assert first == {
        "apn": "a",
        "auth": "pap-chap",
        "carrier": "A",
        "port": 80,
        "protocol": "IPV4V6",
        "proxy": "10.0.0.2",
        "types": ["default", "ia"],
    }
    assert second["types"] == [
        "cbs", "default", "dun", "fota", "hipri", "ims", "mms", "supl", "xcap"
    ]  # fmt: skip
    assert built.left_out.to_lines(10) == [
        "Left out (1): a member that phones could not use: access point 1, A: mmsport '99999'",
        "Left out (1): a type without a meaning here: access point 1, A: vsim",
        "Left out (1): an access point that the list disables: access point 3, C",
    ]
    assert built.sources[0]["name"] == "our list"


def test_malformed_list(tmp_path) -> None:
    """Malformed, large and other XML files and entity declarations are refused."""
    path = tmp_path / "list.xml"
    for text, words in (
        ("<apns", "line 1: not well formed"),
        ("<html/>", "begins with <html>"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><apns>&b;</apns>', "declares entities"),
        ('<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><apns>&b;</apns>', "entities"),
        ('<!DOCTYPE a [<!ENTITY % b SYSTEM "http://x/">%b;]><apns/>', "entities"),
    ):
        with case(text):
            path.write_text(text)
            with pytest.raises(SourceError, match=words):
                load_apn(path, "1")
    with path.open("wb") as file:
        file.truncate(17_000_000)
    with pytest.raises(SourceError, match="more than 16777216 bytes"):
        load_apn(path, "1")


@given(
    st.text(max_size=120),
    st.sets(st.sampled_from(["default", "mms", "bip", ""])),
    st.dictionaries(
        st.sampled_from([*COMMON, "port", "mmsport", "proxy"]), st.none() | st.text(max_size=120)
    ),
)
def test_access_point_of_arbitrary_values(carrier, types, words):
    """Members are printable ASCII, ports and known types, or there is no access point."""
    left_out = LeftOut()
    point = make_access_point(carrier, types, words, "here", ReadReport([], left_out))
    if point is None:
        assert {"here": 1} in [each["names"] for each in left_out.to_json()]
        return
    assert 1 <= len(point["carrier"]) <= 100
    assert 1 <= len(point["apn"]) <= 100
    assert set(point["types"]) <= {"default", "mms"}
    for name, value in point.items():
        if name in {"mmsport", "port"}:
            assert 1 <= value <= 65535
        elif name not in {"carrier", "types"}:
            assert value.isascii()
            assert value.isprintable()

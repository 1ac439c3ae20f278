"""Every leaky client leaks what its sentence says, and is otherwise a client."""

import dataclasses
import re

import pytest

from client_sim.device.client import PollingClient
from client_sim.lab.clients.toy import ToyClient
from client_sim.lab.mutants import (
    crossings,
    detours,
    doubts,
    meetings,
    misses,
    patient,
    told,
    waits,
)
from client_sim.lab.mutants.library import MUTANTS, find_mutant
from client_sim.persona import Account, Call, Contact, Message, Note, Persona, Photo, WifiNetwork
from client_sim.persona import make_persona as make
from tests.client_sim.device.repository_simulator import START
from tests.client_sim.lab.mutants.leaving import live

OWNER = make(0)
OTHERS = [make(seed) for seed in range(1, 9)]

# What each leak follows, from its sentence: a field of the owner's data, `draws` for randomness
# that the client was given, `unseeded` for other randomness, `clock` for the time, `constant` for
# none of these.
SOURCES = {
    "register-2014": "carrier imei phone_number contacts messages",
    "register-once": "imei wifi_mac",
    "activate-messaging": "phone_number imsi iccid",
    "match-contact": "contacts",
    "register-beneath": "imsi",
    "imei-query": "imei",
    "phone-fragment": "phone_number",
    "place-query": "latitude longitude",
    "android-id-user": "android_id",
    "mac-query-beneath": "bluetooth_mac",
    "phone-base64-header": "phone_number",
    "imsi-hex-cookie": "imsi",
    "serial-header-name": "serial",
    "account-authorization": "accounts",
    "advertising-id-beneath": "advertising_id",
    "imei-sha256-header": "imei",
    "android-id-md5-query": "android_id",
    "mac-sha1-path": "wifi_mac",
    "email-md5-cookie": "accounts",
    "book-sha256-body": "contacts",
    "iccid-sha3-beneath": "iccid",
    "imei-salted-header": "imei",
    "salt-alongside-query": "android_id draws",
    "dated-digest-header": "imei",
    "phone-stretched-cookie": "phone_number",
    "serial-salted-beneath": "serial",
    "imei-keyed-header": "imei",
    "mac-hmac-query": "wifi_mac",
    "cohort-of-gsf-id": "gsf_id",
    "everything-hmac-cookie": "imsi serial locale uptime_seconds contacts",
    "imsi-hmac-beneath": "imsi",
    "aes-form-2014": "imei imei2 serial",
    "aes-counter-query": "imsi",
    "aes-blocks-header": "android_id",
    "stream-cipher-body": "messages",
    "account-cipher-beneath": "accounts",
    "xor-one-octet": "imei draws",
    "xor-kept-pad": "gsf_id draws",
    "xor-two-headers": "contacts draws",
    "shifted-digits-query": "phone_number draws",
    "xor-by-time": "serial",
    "xor-beneath": "imei draws",
    "gcm-fresh-nonce": "unseeded",
    "fresh-key-alongside": "unseeded",
    "sealed-account-body": "unseeded",
    "nonce-of-identifier": "unseeded",
    "fresh-nonce-beneath": "unseeded",
    "ephemeral-of-imei": "imei draws",
    "ephemeral-of-imei-unseeded": "unseeded",
    "ground-nonce": "serial draws",
    "nonce-of-android-id": "android_id",
    "nonce-beneath": "android_id",
    "book-gzip-body": "contacts",
    "messages-deflate-header": "messages",
    "apps-bzip2-body": "apps",
    "notes-zlib-beneath": "notes",
    "imei-three-layers": "imei",
    "imsi-semi-octets": "imsi",
    "name-wide-cookie": "contacts",
    "android-id-masked": "android_id",
    "phone-four-layers": "phone_number",
    "serial-layers-beneath": "serial",
    "halves-in-headers": "imei",
    "interleaved-headers": "phone_number",
    "three-places": "serial",
    "over-requests": "imsi",
    "digits-as-weights": "imei",
    "halves-beneath": "imei",
    "root-drip": "imei",
    "digit-of-the-day": "phone_number",
    "digit-anywhere": "imsi draws",
    "name-drip": "imei",
    "contact-drip": "contacts",
    "root-drip-beneath": "imei",
    "name-drip-beneath": "serial",
    "header-case": "imei",
    "header-case-drip": "imsi",
    "host-case": "android_id",
    "escape-case": "imei",
    "coding-case": "contacts",
    "header-case-beneath": "imei",
    "header-order": "imei",
    "header-permutation": "wifi_mac",
    "request-order": "messages",
    "coding-order": "imei",
    "header-order-beneath": "imei",
    "padding-header": "contacts",
    "padding-body": "messages",
    "pieces": "imei",
    "leading-zeros": "serial",
    "padding-beneath": "photos notes",
    "pieces-beneath": "imei",
    "trailing-space": "imei",
    "folded-line": "imei",
    "duplicate-parameter": "imei",
    "parameter-order": "imei",
    "empty-lines-first": "contacts",
    "bare-line-feed": "imei",
    "tab-beneath": "imei",
    "head-for-get": "imei",
    "older-version": "imei",
    "absolute-target": "calls",
    "options-first": "messages",
    "version-beneath": "imei",
    "label-host": "imei",
    "shard-host": "imsi",
    "host-line-label": "wifi_mac",
    "server-name-label": "serial",
    "trailing-point": "imei",
    "port-by-digit": "imei",
    "host-line-beneath": "wifi_mac",
    "serial-lookup": "serial",
    "sender-lookup": "messages",
    "contacts-lookup": "contacts",
    "lookup-count": "messages",
    "lookup-pieces": "advertising_id",
    "question-case": "android_id",
    "network-lookup-beneath": "networks",
    "label-lookup-beneath": "imei",
    "call-reporter": "calls",
    "usage-report": "uptime_seconds battery_percent",
    "alive-report": "constant",
    "knock": "imei",
    "address-without-name": "imei",
    "pixel-after-poll": "advertising_id",
    "report-beneath": "android_id",
    "catalogue-of-serial": "serial",
    "timestamp-of-imei": "imei",
    "path-suffix": "bluetooth_mac",
    "session-parameter": "iccid",
    "own-offers": "gsf_id",
    "path-detour": "iccid",
    "catalogue-beneath": "gsf_id",
    "path-detour-beneath": "iccid",
    "platform-agent": "constant",
    "library-agent": "constant",
    "build-agent": "constant",
    "browser-agent": "locale",
    "agent-of-install": "draws",
    "agent-after-restart": "constant",
    "keep-alive": "constant",
    "agent-beneath": "constant",
    "codings-of-installation": "constant",
    "zstd-always": "constant",
    "codings-drawn": "draws",
    "codings-of-apps": "apps",
    "codings-of-battery": "battery_percent",
    "codings-beneath": "constant",
    "language-header": "locale",
    "language-weights": "locale",
    "language-query": "locale",
    "locale-cookie": "locale",
    "language-beneath": "locale",
    "carrier-query": "carrier",
    "network-code-header": "imsi",
    "carrier-order": "carrier",
    "carrier-of-sim": "carrier",
    "carrier-lookup-beneath": "carrier",
    "zone-header": "time_zone",
    "local-date": "time_zone clock",
    "exact-date": "clock",
    "local-hour-cookie": "time_zone clock",
    "polls-at-night": "time_zone",
    "zone-beneath": "time_zone",
    "uptime-query": "uptime_seconds",
    "started-at": "uptime_seconds clock",
    "battery-header": "battery_percent",
    "low-battery": "battery_percent",
    "boot-count": "constant",
    "free-space": "photos messages",
    "battery-beneath": "battery_percent uptime_seconds",
    "apps-digest-query": "apps",
    "apps-list-header": "apps",
    "apps-filter": "apps",
    "app-report": "apps",
    "first-app-beneath": "apps",
    "install-identifier": "draws",
    "install-uuid": "unseeded",
    "install-cohort": "draws",
    "install-order": "draws",
    "install-identifier-beneath": "draws",
    "secret-beneath": "draws",
    "request-identifier": "unseeded",
    "cache-breaker": "draws",
    "session-of-poll": "draws",
    "trace-parent": "draws",
    "random-order": "draws",
    "random-padding": "draws",
    "request-identifier-beneath": "draws",
}
BY_ID = {mutant.id: mutant for mutant in MUTANTS if mutant.id in SOURCES}
FOLLOWED = [
    (mutant_id, source)
    for mutant_id, sources in SOURCES.items()
    for source in sources.split()
    if source not in {"draws", "unseeded", "clock", "constant"}
]


def sources_with(word):
    """List the mutants that follow something other than a field."""
    return [mutant_id for mutant_id, sources in SOURCES.items() if word in sources.split()]


@pytest.mark.parametrize(("mutant_id", "field"), FOLLOWED)
def test_a_leak_follows_the_field_that_it_names(mutant_id, field):
    """With nothing changed but that field, something else leaves, or at another time."""
    make_client = BY_ID[mutant_id].make
    usual = live(make_client, OWNER).left
    changed = (dataclasses.replace(OWNER, **{field: getattr(other, field)}) for other in OTHERS)
    assert any(live(make_client, owner).left != usual for owner in changed)


@pytest.mark.parametrize("mutant_id", sorted(set(SOURCES) - set(sources_with("unseeded"))))
def test_what_is_told_is_no_accident(mutant_id):
    """The same phone of the same owner with the same randomness tells the same."""
    make_client = BY_ID[mutant_id].make
    assert live(make_client, OWNER).left == live(make_client, OWNER).left


@pytest.mark.parametrize("mutant_id", sources_with("draws"))
def test_a_leak_that_draws_shows_what_it_drew(mutant_id):
    """Other randomness, other bytes: times are left out, for those may differ."""
    make_client = BY_ID[mutant_id].make
    usual = live(make_client, OWNER).data
    assert any(live(make_client, OWNER, b"%d" % seed).data != usual for seed in range(8))


@pytest.mark.parametrize("mutant_id", sources_with("clock"))
def test_a_leak_of_the_clock_shows_another_time(mutant_id):
    """The same phone an hour and some milliseconds later, with the same randomness."""
    make_client = BY_ID[mutant_id].make
    later = live(make_client, OWNER, start=START + 3_600.512)
    assert later.data != live(make_client, OWNER).data


@pytest.mark.parametrize("mutant_id", sources_with("constant"))
def test_a_leak_that_follows_nothing_says_what_no_phone_says(mutant_id):
    """It is the same for all owners, and not what the clean clients send."""
    make_client = BY_ID[mutant_id].make
    told = live(make_client, OWNER)
    assert live(make_client, OTHERS[0]).left == told.left
    clean = (live(ToyClient, OWNER).data, live(PollingClient, OWNER).data)
    assert told.data not in clean


@pytest.mark.parametrize("mutant_id", sources_with("unseeded"))
def test_a_leak_with_its_own_randomness_never_says_the_same_twice(mutant_id):
    """Not even to the same seed."""
    make_client = BY_ID[mutant_id].make
    assert live(make_client, OWNER).data != live(make_client, OWNER).data


def test_the_clean_clients_show_none_of_this():
    """What is compared here is the same for owners and randomness where nothing leaks."""
    for make_client in (ToyClient, PollingClient):
        usual = live(make_client, OWNER)
        assert live(make_client, OTHERS[0]).left == usual.left
        assert live(make_client, OWNER, b"2").data == usual.data
    assert len(usual.outcomes) == 4
    assert usual.outcomes[0].startswith("No build has been announced")


def blank(**changes):
    """Make an owner of whom nothing is known."""
    empty = {"str": "", "int": 0}
    values = {
        field.name: empty.get(getattr(field.type, "__name__", field.type), ())
        for field in dataclasses.fields(Persona)
    }
    return Persona(**{**values, **changes})


STRANGE = "Łódź \N{SNOWMAN}\N{ARABIC-INDIC DIGIT SEVEN}"
BOUNDARY = {
    "nothing": blank(),
    "one letter": blank(
        **{field.name: "7" for field in dataclasses.fields(Persona) if field.type is str}
    ),
    "empty members": blank(
        accounts=(Account("", ""),),
        contacts=(Contact("", "", ""),),
        calls=(Call("", True, 0, 0),),
        messages=(Message("", "", True, 0, ""),),
        notes=(Note("", ""),),
        photos=(Photo("", "", "", 0),),
        networks=(WifiNetwork("", ""),),
        apps=("",),
    ),
    "strange letters": blank(
        **{field.name: STRANGE for field in dataclasses.fields(Persona) if field.type is str},
        accounts=(Account(STRANGE, STRANGE),),
        contacts=(Contact(STRANGE, STRANGE, STRANGE),),
        messages=(Message("sms", STRANGE, True, 0, STRANGE),),
        notes=(Note(STRANGE, STRANGE),),
        apps=(STRANGE,),
    ),
    "much": dataclasses.replace(
        OWNER,
        contacts=OWNER.contacts * 100,
        messages=OWNER.messages * 100,
        apps=OWNER.apps * 100,
        battery_percent=100,
        uptime_seconds=2**40,
    ),
}


@pytest.mark.parametrize("mutant_id", BY_ID)
def test_a_leak_does_not_fall_over_strange_owners(mutant_id):
    """All four polls end, and each asked something: a crash would be another leak than the one."""
    for name, owner in BOUNDARY.items():
        life = live(BY_ID[mutant_id].make, owner)
        assert len(life.outcomes) == 4, name
        assert not any("not reached" in outcome for outcome in life.outcomes), name
        assert sum(what == "target" for what, _, _ in life.left) >= 4, name


def test_every_leak_of_these_families_is_tried_here():
    """None is forgotten, none is made up; others have tests of their own."""
    others = (crossings, detours, doubts, meetings, misses, patient, told, waits)
    beside = {mutant.id for module in others for mutant in module.MUTANTS}
    mine = {mutant.id for mutant in MUTANTS if mutant.family <= "L32"} - beside
    assert set(SOURCES) == mine


def test_ids_are_unique_and_families_are_of_the_catalogue():
    """Ids are words of a command line; a sentence says what is told."""
    assert len({mutant.id for mutant in MUTANTS}) == len(MUTANTS)
    for mutant in MUTANTS:
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", mutant.id)
        assert re.fullmatch(r"L(0[1-9]|[1-4][0-9]|5[0-8])", mutant.family) or mutant.family in {
            *("higher-order", "rare", "gather", "packs", "picks", "writes", "machine"),
        }
        assert re.fullmatch(r"[A-Z].{20,}\.", mutant.leak)
        assert find_mutant(mutant.id) is mutant
    assert find_mutant("nobody") is None


def test_every_family_has_variants():
    """Two at least; a third of the clients leak beneath the real one."""
    families = [mutant.family for mutant in MUTANTS if mutant.family <= "L32"]
    assert all(families.count(family) >= 2 for family in families)
    assert sum(mutant.id.endswith("-beneath") for mutant in MUTANTS) >= 15

"""Owners with extreme data, and owners whose made-up data looks real."""

import re
from dataclasses import fields, replace
from itertools import combinations

from client_sim.lab.programme.batteries.personal import MIXED
from client_sim.lab.scenarios.owners import (
    FIELDS,
    SHAPES,
    draw_host,
    draw_shapes,
    list_singles,
    make_lifelike,
    reshape,
)
from client_sim.persona import Persona, canaries, make_persona
from client_sim.tape import Tape, luhn_digit
from tests.cases import case

OWNER = make_persona(1)


def test_every_field_takes_every_shape():
    """Of 26 fields and eight shapes; only that field changes, and it keeps its type."""
    assert {field.name for field in fields(Persona)} == set(FIELDS)
    assert len(list_singles()) == 26 * 8
    for field, shape in list_singles():
        shaped = reshape(OWNER, field, shape)
        assert replace(shaped, **{field: getattr(OWNER, field)}) == OWNER
        assert type(getattr(shaped, field)) is type(getattr(OWNER, field))


def test_every_pair_of_fields_is_extreme_together():
    """In 5 to 31 of the drawn owners, with different shapes."""
    drawn = [dict(draw_shapes(Tape(f"boundary {number}"))) for number in range(MIXED)]
    for pair in combinations(FIELDS, 2):
        together = [tuple(map(shapes.get, pair)) for shapes in drawn if {*pair} <= {*shapes}]
        assert 4 < len(together) < 32
        assert len({*together}) > 3
    assert {shape for shapes in drawn for shape in shapes.values()} == {*SHAPES}


def test_examples_of_each_shape():
    """A list can be longer than any trigger waits for, which is 350 contacts."""
    for field, shape, expected in (
        ("imei", "absent", ""),
        ("imei", "reversed", OWNER.imei[::-1]),
        ("imei", "tenfold", OWNER.imei * 10),
        ("imei2", "equal", OWNER.imei),
        ("contacts", "absent", ()),
        ("battery_percent", "tenfold", OWNER.battery_percent * 10),
        ("battery_percent", "foreign", -OWNER.battery_percent),
        ("apps", "minimal", OWNER.apps[:1]),
    ):
        assert getattr(reshape(OWNER, field, shape), field) == expected, (field, shape)
    assert len(reshape(OWNER, "contacts", "maximal").contacts) > 350
    equal = reshape(OWNER, "contacts", "equal").contacts
    assert (len(equal) > 1, len(set(equal))) == (True, 1)
    for contact in reshape(OWNER, "contacts", "foreign").contacts:
        assert not any(text.isascii() for text in (contact.name, contact.number, contact.address))


EXAMPLES = [make_persona(seed) for seed in range(40)]
LIFELIKE = [make_lifelike(owner) for owner in EXAMPLES]
FICTION = re.compile(
    r"\+1[2-9][0-8][0-9]55501[0-9]{2}|\+447700900[0-9]{3}|\+441632960[0-9]{3}|\+3363998[0-9]{4}"
)
DOMAIN = r"[a-hj-pr-z]\.net"


def numbers(owner):
    """Return all telephone numbers of an owner."""
    with_number = (*owner.contacts, *owner.calls, *owner.messages)
    return [owner.phone_number, *(each.number for each in with_number)]


def test_numbers_are_reserved_for_fiction():
    """North American, British and French ones."""
    found = [number for owner in LIFELIKE for number in numbers(owner)]
    assert all(FICTION.fullmatch(number) for number in found)
    assert len({number[:5] for number in found}) > 10


def test_identifiers_are_of_unassigned_blocks():
    """They have correct check digits, and are all different."""
    for owner in LIFELIKE:
        for imei in (owner.imei, owner.imei2):
            assert re.fullmatch(r"98[1-9][0-9]{12}", imei)
            assert imei[-1] == luhn_digit(imei[:-1])
        assert re.fullmatch(r"264[0-9]{12}", owner.imsi)
        assert re.fullmatch(r"89210[0-9]{15}", owner.iccid)
        assert owner.iccid[-1] == luhn_digit(owner.iccid[:-1])
        for mac in (owner.wifi_mac, owner.bluetooth_mac, *(n.bssid for n in owner.networks)):
            assert re.fullmatch(r"[0-9a-f][26ae](:[0-9a-f]{2}){5}", mac)
    assert (
        len({owner.imei for owner in LIFELIKE})
        == len({owner.imsi for owner in LIFELIKE})
        == len(LIFELIKE)
    )


def test_names_do_not_look_like_examples():
    """Mail addresses, apps and hosts are below reserved single-letter domains."""
    for owner in LIFELIKE:
        for address in (owner.accounts[0].name, *(each.address for each in owner.contacts)):
            assert re.fullmatch(rf"[a-z2-7]+@{DOMAIN}", address)
        assert all(re.fullmatch(r"net\.[a-hj-pr-z]\.[a-z]+\.[a-z2-7]+", app) for app in owner.apps)
    hosts = {draw_host(Tape(seed)) for seed in range(40)}
    assert all(re.fullmatch(rf"[a-z.-]+\.{DOMAIN}", host) for host in hosts)
    assert len(hosts) > 20
    values = b" ".join(
        value for owner in LIFELIKE for each in canaries(owner).values() for value in each
    )
    assert b"example" not in values
    assert b"+999" not in values


def test_lifelike_owners_stay_consistent():
    """Calls are still from contacts, and an owner is always changed in the same way.

    Fields that do not look made up are not changed.
    """
    for owner, like in zip(EXAMPLES, LIFELIKE, strict=True):
        known = {each.number for each in like.contacts}
        assert all(call.number in known for call in like.calls)
        assert len(known) <= len(owner.contacts)
        assert make_lifelike(owner) == like
    for field in ("serial", "android_id", "locale", "photos", "notes", "latitude"):
        with case(field):
            assert all(
                getattr(a, field) == getattr(b, field)
                for a, b in zip(EXAMPLES, LIFELIKE, strict=True)
            )

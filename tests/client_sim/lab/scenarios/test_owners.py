"""Owners at the edges; what looks like anybody's belongs to nobody, and stays consistent."""

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
    """26 fields, eight shapes; one field changes and keeps its type for those who read it."""
    assert {field.name for field in fields(Persona)} == set(FIELDS)
    assert len(list_singles()) == 26 * 8
    for field, shape in list_singles():
        shaped = reshape(OWNER, field, shape)
        assert replace(shaped, **{field: getattr(OWNER, field)}) == OWNER
        assert type(getattr(shaped, field)) is type(getattr(OWNER, field))


def test_of_owners_at_many_edges_each_two_fields_are_at_theirs_together():
    """In about a quarter of as many owners as a run has, with different shapes."""
    drawn = [dict(draw_shapes(Tape(f"boundary {number}"))) for number in range(MIXED)]
    for pair in combinations(FIELDS, 2):
        met = [tuple(map(shapes.get, pair)) for shapes in drawn if {*pair} <= {*shapes}]
        assert 4 < len(met) < 32
        assert len({*met}) > 3
    assert {shape for shapes in drawn for shape in shapes.values()} == {*SHAPES}


def test_shapes_are_what_they_are_called():
    """Each by an example; of contacts there can be more than any trigger waits for, which is 350.

    Texts within records are foreign, too.
    """
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
LIKE = [make_lifelike(owner) for owner in EXAMPLES]
FICTION = re.compile(
    r"\+1[2-9][0-8][0-9]55501[0-9]{2}|\+447700900[0-9]{3}|\+441632960[0-9]{3}|\+3363998[0-9]{4}"
)
DOMAIN = r"[a-hj-pr-z]\.net"


def numbers(owner):
    """Give all telephone numbers."""
    with_number = (*owner.contacts, *owner.calls, *owner.messages)
    return [owner.phone_number, *(each.number for each in with_number)]


def test_numbers_are_those_of_films():
    """North American, British and French ones, and several of each."""
    found = [number for owner in LIKE for number in numbers(owner)]
    assert all(FICTION.fullmatch(number) for number in found)
    assert len({number[:5] for number in found}) > 10


def test_identifiers_are_of_blocks_that_nobody_was_given():
    """With a check digit where there is one, and all different."""
    for owner in LIKE:
        for imei in (owner.imei, owner.imei2):
            assert re.fullmatch(r"98[1-9][0-9]{12}", imei)
            assert imei[-1] == luhn_digit(imei[:-1])
        assert re.fullmatch(r"264[0-9]{12}", owner.imsi)
        assert re.fullmatch(r"89210[0-9]{15}", owner.iccid)
        assert owner.iccid[-1] == luhn_digit(owner.iccid[:-1])
        for mac in (owner.wifi_mac, owner.bluetooth_mac, *(n.bssid for n in owner.networks)):
            assert re.fullmatch(r"[0-9a-f][26ae](:[0-9a-f]{2}){5}", mac)
    assert len({owner.imei for owner in LIKE}) == len({owner.imsi for owner in LIKE}) == len(LIKE)


def test_no_name_says_that_it_is_an_example():
    """Mail, apps and hosts lie below a letter that was kept back."""
    for owner in LIKE:
        for address in (owner.accounts[0].name, *(each.address for each in owner.contacts)):
            assert re.fullmatch(rf"[a-z2-7]+@{DOMAIN}", address)
        assert all(re.fullmatch(r"net\.[a-hj-pr-z]\.[a-z]+\.[a-z2-7]+", app) for app in owner.apps)
    hosts = {draw_host(Tape(seed)) for seed in range(40)}
    assert all(re.fullmatch(rf"[a-z.-]+\.{DOMAIN}", host) for host in hosts)
    assert len(hosts) > 20
    told = b" ".join(value for owner in LIKE for each in canaries(owner).values() for value in each)
    assert b"example" not in told
    assert b"+999" not in told


def test_what_was_equal_stays_equal():
    """A call is still from a contact, and the same owner is the same again.

    Hexadecimal numbers and texts tell nobody that they were made up: they are as they were.
    """
    for owner, like in zip(EXAMPLES, LIKE, strict=True):
        known = {each.number for each in like.contacts}
        assert all(call.number in known for call in like.calls)
        assert len(known) <= len(owner.contacts)
        assert make_lifelike(owner) == like
    for field in ("serial", "android_id", "locale", "photos", "notes", "latitude"):
        with case(field):
            assert all(
                getattr(a, field) == getattr(b, field) for a, b in zip(EXAMPLES, LIKE, strict=True)
            )

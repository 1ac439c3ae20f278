"""Personas are deterministic and fictional, and valid where a standard defines it."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_sim.persona import (
    PERSONA_LIMIT,
    PersonaError,
    canaries,
    decode_persona,
    encode_persona,
    make_persona,
)
from client_sim.tape import luhn_digit
from tests.cases import case


def test_check_digit_of_a_published_example():
    """The example of the Luhn article and the GSMA's sample IMEI have these check digits."""
    assert luhn_digit("7992739871") == "3"
    assert luhn_digit("49015420323751") == "8"


def test_numbers_are_valid_and_unassigned():
    """Identifiers have their standard's form and lie in test ranges."""
    for seed in range(50):
        with case(seed):
            persona = make_persona(seed)
            for imei in (persona.imei, persona.imei2):
                assert re.fullmatch(r"00[0-9]{13}", imei)
                assert luhn_digit(imei[:-1]) == imei[-1]
            assert re.fullmatch(r"00101[0-9]{10}", persona.imsi)
            assert re.fullmatch(r"89999[0-9]{15}", persona.iccid)
            assert luhn_digit(persona.iccid[:-1]) == persona.iccid[-1]
            assert re.fullmatch(r"\+999[0-9]{11}", persona.phone_number)
            assert re.fullmatch(r"02(:[0-9a-f]{2}){5}", persona.wifi_mac)
            assert all(account.name.endswith("@example.org") for account in persona.accounts)


def test_the_same_seed_gives_the_same_persona():
    """Personas depend on the seed alone, number or bytes, in every version of this program."""
    assert make_persona(1).imei == "001017143993643"
    assert make_persona(7) == make_persona(7)
    assert make_persona(b"a") == make_persona(b"a")
    assert make_persona(7) != make_persona(8)


@given(st.integers(min_value=0))
def test_encoding_round_trip(seed):
    """Decoding gives back the persona, and encoding that gives back the bytes."""
    persona = make_persona(seed)
    data = encode_persona(persona)
    assert decode_persona(data) == persona
    assert data.endswith(b"}\n")
    assert data.count(b"\n") == 1


@given(st.binary())
def test_arbitrary_bytes_are_refused(data):
    """A decoder raises only its own error."""
    with pytest.raises(PersonaError):
        decode_persona(data)


@given(st.integers(min_value=0), st.binary(min_size=1, max_size=1))
def test_changed_bytes_of_a_persona(place, byte):
    """Each persona has one encoding: another one is refused or another persona."""
    data = encode_persona(make_persona(3))
    place %= len(data)
    changed = data[:place] + byte + data[place + 1 :]
    try:
        read = decode_persona(changed)
    except PersonaError:
        return
    assert (read == make_persona(3)) == (changed == data)


def test_other_encodings_are_refused():
    """Spaces, a missing newline, repeated or unknown members, size and nesting are refused."""
    for change in (
        lambda data: data.replace(b'{"accounts"', b'{ "accounts"'),
        lambda data: data[:-1],
        lambda data: data.replace(b'"imsi"', b'"imsi":"1","imsi"'),
        lambda data: data.replace(b'"imei2"', b'"imei1"'),
        lambda data: data[:-2] + b" " * PERSONA_LIMIT + data[-2:],
        lambda data: data.replace(b"[", b"[" * 100_000),
    ):
        with case(change), pytest.raises(PersonaError):
            decode_persona(change(encode_persona(make_persona(4))))


def test_canaries_are_long_and_name_their_field():
    """Each has at least 64 bits and the name of its field, and is of one persona alone."""
    persona = make_persona(5)
    found = canaries(persona)
    assert found["imei"] == (persona.imei.encode(),)
    assert persona.contacts[0].number.encode() in found["contacts.number"]
    assert all(len(value) >= 8 for values in found.values() for value in values)
    assert "carrier" not in found
    other = {value for values in canaries(make_persona(2)).values() for value in values}
    assert not other & {value for values in found.values() for value in values}

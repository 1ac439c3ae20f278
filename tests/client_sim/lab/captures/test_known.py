"""Files of what is known about a phone: whole personas and a few values."""

import json

import pytest

from client_sim.lab.captures.known import decode_known
from client_sim.lab.errors import CaptureError
from client_sim.persona import canaries, encode_persona, make_persona


def known(**told):
    """Decode a few values."""
    return decode_known(json.dumps(told).encode())


def test_a_whole_persona_has_the_values_of_its_canaries():
    """What `encode_persona` writes."""
    persona = make_persona(3)
    assert decode_known(encode_persona(persona)).anywhere == canaries(persona)


def test_a_few_values_are_enough():
    """Texts, numbers, lists and objects of them; short ones are looked for as whole fields."""
    found = known(imsi="001010123456789", contacts=[{"number": "+99912345678901"}], height=185.5)
    assert found.anywhere["imsi"][0] == b"001010123456789"
    assert found.anywhere["contacts.number"][0] == b"+99912345678901"
    assert found.whole == {"height": (b"185.5",)}
    assert known(carrier="CMCC", name=" Sari ").whole == {"carrier": (b"CMCC",), "name": (b"Sari",)}


def test_real_values_are_looked_for_in_their_usual_spellings():
    """Ranges are wider than a persona's."""
    for value, spelled in (
        ("+62812345678", {b"62812345678", b"0812345678", b"812345678"}),
        ("aa:BB:0c:11:22:33", {b"AA-BB-0C-11-22-33", b"aabb0c112233", b"aa:bb:0c:11:22:33"}),
        ("490154203237518", {b"49015420323751"}),
        ("Example Tel", {b"Example+Tel"}),
    ):
        assert spelled < set(known(x=value).anywhere["x"])


def test_what_is_no_such_file_is_one_sentence_that_shows_one():
    """Its form is in it. Size and number are limited before values are parsed and spelled."""
    for data in (
        *(b"", b"[]", b'"x"', b"{", b"{}", b'{"imei":null}', b'{"imei":true}', b"\xff"),
        *(b"[" * 100_000, b'{"a":{"b":{"c":{"d":{"e":{"f":"x"}}}}}}'),
    ):
        with pytest.raises(CaptureError, match=r"the persona .* \{\"imei\"|the persona"):
            decode_known(data)
    with pytest.raises(CaptureError, match="more than 4194304 bytes"):
        decode_known(b" " * (4 * 1024 * 1024 + 1))
    with pytest.raises(CaptureError, match="more than 20000 values"):
        known(x=[f"value number {number}" for number in range(20_001)])

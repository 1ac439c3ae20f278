"""Files of known values of a phone: whole personas and single values."""

import json

import pytest

from client_sim.lab.captures.known_values import decode_known
from client_sim.lab.errors import CaptureError
from client_sim.persona import canaries, encode_persona, make_persona


def decode(**values):
    """Decode some values."""
    return decode_known(json.dumps(values).encode())


def test_whole_persona_has_its_canaries():
    """The file is what `encode_persona` writes."""
    persona = make_persona(3)
    assert decode_known(encode_persona(persona)).anywhere == canaries(persona)


def test_single_values():
    """Texts, numbers, lists and objects are allowed; short values must be whole fields."""
    found = decode(imsi="001010123456789", contacts=[{"number": "+99912345678901"}], height=185.5)
    assert found.anywhere["imsi"][0] == b"001010123456789"
    assert found.anywhere["contacts.number"][0] == b"+99912345678901"
    assert found.whole == {"height": (b"185.5",)}
    assert decode(carrier="CMCC", name=" Sari ").whole == {
        "carrier": (b"CMCC",),
        "name": (b"Sari",),
    }


def test_spellings_of_real_values():
    """Real values have wider ranges than those of a persona."""
    for value, spelled in (
        ("+62812345678", {b"62812345678", b"0812345678", b"812345678"}),
        ("aa:BB:0c:11:22:33", {b"AA-BB-0C-11-22-33", b"aabb0c112233", b"aa:bb:0c:11:22:33"}),
        ("490154203237518", {b"49015420323751"}),
        ("Example Tel", {b"Example+Tel"}),
    ):
        assert spelled < set(decode(x=value).anywhere["x"])


def test_malformed_file_is_refused():
    """The message shows the format; size and number of values are limited."""
    for data in (
        *(b"", b"[]", b'"x"', b"{", b"{}", b'{"imei":null}', b'{"imei":true}', b"\xff"),
        *(b"[" * 100_000, b'{"a":{"b":{"c":{"d":{"e":{"f":"x"}}}}}}'),
    ):
        with pytest.raises(CaptureError, match=r"the persona .* \{\"imei\"|the persona"):
            decode_known(data)
    with pytest.raises(CaptureError, match="more than 4194304 bytes"):
        decode_known(b" " * (4 * 1024 * 1024 + 1))
    with pytest.raises(CaptureError, match="more than 20000 values"):
        decode(x=[f"value number {number}" for number in range(20_001)])

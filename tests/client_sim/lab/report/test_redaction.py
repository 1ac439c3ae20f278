"""Values of the owner are redacted in every encoding, and nothing else is."""

import base64
import hashlib
import zlib
from dataclasses import replace

import pytest

from client_sim.lab.oracles.finding import Finding
from client_sim.lab.report.redaction import NoRedaction, OwnerRedaction
from client_sim.persona import make_persona
from tests.cases import case

OWNER = make_persona(1)
IMEI = OWNER.imei.encode()


@pytest.fixture(scope="module")
def covered():
    """Return the redaction for one owner."""
    return OwnerRedaction((OWNER,))


def test_value_becomes_stars_of_the_same_length(covered):
    """Other bytes stay, and compressed data is redacted to its end.

    A plus sign for a space, as in forms, is recognized.
    """
    for encoded in (
        IMEI,
        base64.b64encode(IMEI),
        IMEI.hex().encode(),
        hashlib.sha256(IMEI).hexdigest().encode(),
        IMEI[::-1],
    ):
        with case(encoded):
            assert covered.data(b"a=" + encoded + b"&b=1") == b"a=" + b"*" * len(encoded) + b"&b=1"
    shown = covered.data(b"x" + zlib.compress(b'{"imei":"' + IMEI + b'"}'))
    assert shown[0:1] == b"x"
    assert set(shown[1:]) == {ord("*")}
    assert covered.data(b"op=" + OWNER.carrier.replace(" ", "+").encode() + b"&").endswith(b"*&")


def test_values_in_text_become_labels(covered):
    """A label has the field and the length; an ordinary poll is unchanged."""
    text = covered.text(f"sent {OWNER.imei} and {OWNER.phone_number}, é")
    number = f"phone_number({len(OWNER.phone_number)} characters)"
    assert text == f"sent imei(15 digits) and {number}, é"
    poll = b"GET /metadata/2.root.json HTTP/1.1\r\nHost: updates.example.org:8080\r\n"
    assert covered.data(poll) == poll
    assert covered.text("owner 2 differs from byte 207 on").startswith("owner 2")


def test_sighting_is_redacted_for_unknown_owners(covered):
    """The canary search marks the bytes, so no list of owners is needed.

    Decoded values are redacted to the end: they are shorter than the sent bytes.
    """
    finding = Finding("here", "imei as sha1: 490154203237518", b"x=0123456789&y", 2, 10)
    shown = covered.sighting(finding)
    assert shown.data == b"x=**********&y"
    assert shown.explanation == "imei as sha1: imei(15 digits)"
    sent = b"x=%b&y" % base64.b64encode(b"a stranger: 490154203237518")
    explanation = "imei as undone by decode base64: 490154203237518"
    shown = covered.sighting(Finding("here", explanation, sent, 2, 15)).data
    assert shown == b"x=" + b"*" * (len(sent) - 4) + b"&y"


def test_redaction_without_owners_and_revealed():
    """Nothing is redacted; a value that looks redacted does not loop."""
    assert OwnerRedaction(()).data(b"imei") == b"imei"
    finding = Finding("here", "imei as it is: 1", b"1", 0, 1)
    seen = NoRedaction()
    assert (seen.data(IMEI), seen.text("x"), seen.sighting(finding)) == (IMEI, "x", finding)
    assert (
        OwnerRedaction([replace(OWNER, serial="*********")]).data(b"a*********b") == b"a*********b"
    )


MANY = tuple(f"org.example.app{number}" for number in range(2001))


def test_reversed_value_of_another_owner():
    """The lab makes such owners. Bytes around the value stay readable."""
    backwards = replace(OWNER, imei=OWNER.imei[::-1], apps=MANY)
    data = b"GET /a?i=%b HTTP/1.1\r\n\r\n" % OWNER.imei.encode()
    shown = OwnerRedaction([OWNER, backwards]).data(data)
    assert shown == b"GET /a?i=*************** HTTP/1.1\r\n\r\n"


def test_repeated_value_is_redacted_each_time():
    """Plain and encoded values are redacted, also of an owner with very many values."""
    for apps in ((), MANY):
        covered = OwnerRedaction([replace(OWNER, apps=apps)])
        for encode in (
            lambda value: value,
            lambda value: value[::-1],
            base64.b64encode,
            lambda value: value.hex().encode(),
            lambda value: bytes(255 - byte for byte in value),
            lambda value: value.decode().encode("utf-16-le"),
            lambda value: base64.b64encode(value.hex().encode()),
        ):
            with case(apps, encode):
                plain, encoded = IMEI, encode(IMEI)
                sent = [b"GET /a?i=", plain, b"&j=", encoded, b"&k=", encoded, b" HTTP/1.1\r\n\r\n"]
                stars = [text if at % 2 == 0 else b"*" * len(text) for at, text in enumerate(sent)]
                assert covered.data(b"".join(sent)) == b"".join(stars)


def test_shared_base64_digit_is_redacted(covered):
    """Its other bits would reveal the value's last digit."""
    text = base64.b64encode(b"x" + OWNER.gsf_id.encode() + b"y")
    shown = covered.data(b"a=%b&b" % text)
    assert shown.startswith(b"a=" + text[:1] + b"***")
    assert set(shown[3 : 2 + (1 + len(OWNER.gsf_id)) * 8 // 6 + 1]) == {ord("*")}

"""Values of the owner are covered wherever they stand, and nothing else is."""

import base64
import hashlib
import zlib
from dataclasses import replace

import pytest

from client_sim.lab.oracles.finding import Finding
from client_sim.lab.report.redaction import Covered, Revealed
from client_sim.persona import make_persona
from tests.cases import case

OWNER = make_persona(1)
IMEI = OWNER.imei.encode()


@pytest.fixture(scope="module")
def covered():
    """Give the redaction of one owner."""
    return Covered((OWNER,))


def test_a_value_becomes_stars_of_the_same_length(covered):
    """Bytes around it stay, so that offsets hold; what is compressed is covered to its end.

    A form writes a space as a plus sign, as phones of 2014 did.
    """
    for dressed in (
        IMEI,
        base64.b64encode(IMEI),
        IMEI.hex().encode(),
        hashlib.sha256(IMEI).hexdigest().encode(),
        IMEI[::-1],
    ):
        with case(dressed):
            assert covered.data(b"a=" + dressed + b"&b=1") == b"a=" + b"*" * len(dressed) + b"&b=1"
    shown = covered.data(b"x" + zlib.compress(b'{"imei":"' + IMEI + b'"}'))
    assert shown[0:1] == b"x"
    assert set(shown[1:]) == {ord("*")}
    assert covered.data(b"op=" + OWNER.carrier.replace(" ", "+").encode() + b"&").endswith(b"*&")


def test_a_text_gets_labels_and_an_ordinary_poll_is_shown_whole(covered):
    """A label says which field it was and how long; of a poll nothing is anybody's."""
    said = covered.text(f"sent {OWNER.imei} and {OWNER.phone_number}, é")
    number = f"phone_number({len(OWNER.phone_number)} characters)"
    assert said == f"sent imei(15 digits) and {number}, é"
    poll = b"GET /metadata/2.root.json HTTP/1.1\r\nHost: updates.example.org:8080\r\n"
    assert covered.data(poll) == poll
    assert covered.text("owner 2 differs from byte 207 on").startswith("owner 2")


def test_a_sighting_is_covered_whoever_the_owner_is(covered):
    """The canary search says which bytes are a value: no list of owners is needed.

    Behind a decoding to its end: what is decoded is shorter than what was sent.
    """
    finding = Finding("here", "imei as sha1: 490154203237518", b"x=0123456789&y", 2, 10)
    shown = covered.sighting(finding)
    assert shown.data == b"x=**********&y"
    assert shown.explanation == "imei as sha1: imei(15 digits)"
    sent = b"x=%b&y" % base64.b64encode(b"a stranger: 490154203237518")
    said = "imei as undone by decode base64: 490154203237518"
    shown = covered.sighting(Finding("here", said, sent, 2, 15)).data
    assert shown == b"x=" + b"*" * (len(sent) - 4) + b"&y"


def test_no_owner_covers_nothing_and_those_who_ask_see():
    """An empty list is no error.

    What is covered already is found again and again, which ends no search.
    """
    assert Covered(()).data(b"imei") == b"imei"
    finding = Finding("here", "imei as it is: 1", b"1", 0, 1)
    seen = Revealed()
    assert (seen.data(IMEI), seen.text("x"), seen.sighting(finding)) == (IMEI, "x", finding)
    assert Covered([replace(OWNER, serial="*********")]).data(b"a*********b") == b"a*********b"


MANY = tuple(f"org.example.app{number}" for number in range(2001))


def test_a_value_of_one_owner_that_is_anothers_backwards_is_covered_alone():
    """The lab makes such owners; what stands around the value is what a report is read for."""
    backwards = replace(OWNER, imei=OWNER.imei[::-1], apps=MANY)
    data = b"GET /a?i=%b HTTP/1.1\r\n\r\n" % OWNER.imei.encode()
    shown = Covered([OWNER, backwards]).data(data)
    assert shown == b"GET /a?i=*************** HTTP/1.1\r\n\r\n"


def test_a_value_that_is_told_thrice_is_covered_thrice_and_nothing_else():
    """As it is, twice in another dress; the dresses of many values are not computed before."""
    for apps in ((), MANY):
        covered = Covered([replace(OWNER, apps=apps)])
        for dress in (
            lambda value: value,
            lambda value: value[::-1],
            base64.b64encode,
            lambda value: value.hex().encode(),
            lambda value: bytes(255 - byte for byte in value),
            lambda value: value.decode().encode("utf-16-le"),
            lambda value: base64.b64encode(value.hex().encode()),
        ):
            with case(apps, dress):
                plain, dressed = OWNER.imei.encode(), dress(OWNER.imei.encode())
                told = [b"GET /a?i=", plain, b"&j=", dressed, b"&k=", dressed, b" HTTP/1.1\r\n\r\n"]
                stars = [text if at % 2 == 0 else b"*" * len(text) for at, text in enumerate(told)]
                assert covered.data(b"".join(told)) == b"".join(stars)


def test_a_digit_of_base64_that_a_value_shares_with_its_neighbour_is_covered(covered):
    """Its other bits would tell the value's last digit: 17 bytes begin within a group."""
    text = base64.b64encode(b"x" + OWNER.gsf_id.encode() + b"y")
    shown = covered.data(b"a=%b&b" % text)
    assert shown.startswith(b"a=" + text[:1] + b"***")
    assert set(shown[3 : 2 + (1 + len(OWNER.gsf_id)) * 8 // 6 + 1]) == {ord("*")}

"""Values of the owner are covered wherever they stand, and nothing else is."""

import base64
import hashlib
import zlib
from dataclasses import replace

import pytest

from client_sim.lab.oracles.finding import Finding
from client_sim.lab.report.redaction import Covered, Revealed
from client_sim.persona import make_persona

OWNER = make_persona(1)
IMEI = OWNER.imei.encode()


@pytest.fixture(scope="module")
def covered():
    """Give the redaction of one owner."""
    return Covered((OWNER,))


@pytest.mark.parametrize(
    "dressed",
    [
        IMEI,
        base64.b64encode(IMEI),
        IMEI.hex().encode(),
        hashlib.sha256(IMEI).hexdigest().encode(),
        IMEI[::-1],
    ],
    ids=["plain", "base64", "hex", "sha256", "reversed"],
)
def test_a_value_becomes_stars_of_the_same_length(dressed, covered):
    """Octets around it stay, so that offsets hold."""
    assert covered.octets(b"a=" + dressed + b"&b=1") == b"a=" + b"*" * len(dressed) + b"&b=1"


def test_what_is_compressed_is_covered_to_its_end(covered):
    """Nobody knows where the compressed octets end."""
    shown = covered.octets(b"x" + zlib.compress(b'{"imei":"' + IMEI + b'"}'))
    assert shown[0:1] == b"x"
    assert set(shown[1:]) == {ord("*")}


def test_a_form_writes_a_space_as_a_plus_sign(covered):
    """The carrier's name, as phones of 2014 sent it."""
    assert covered.octets(b"op=" + OWNER.carrier.replace(" ", "+").encode() + b"&").endswith(b"*&")


def test_a_text_gets_labels(covered):
    """A label says which field it was and how long."""
    said = covered.text(f"sent {OWNER.imei} and {OWNER.phone_number}, é")
    number = f"phone_number({len(OWNER.phone_number)} characters)"
    assert said == f"sent imei(15 digits) and {number}, é"


def test_a_sighting_is_covered_whoever_the_owner_is(covered):
    """The canary search says which octets are a value: no list of owners is needed."""
    finding = Finding("here", "imei as sha1: 490154203237518", b"x=0123456789&y", 2, 10)
    shown = covered.sighting(finding)
    assert shown.octets == b"x=**********&y"
    assert shown.explanation == "imei as sha1: imei(15 digits)"


def test_an_ordinary_poll_is_shown_whole(covered):
    """Nothing of it is anybody's."""
    poll = b"GET /metadata/2.root.json HTTP/1.1\r\nHost: updates.example.org:8080\r\n"
    assert covered.octets(poll) == poll
    assert covered.text("owner 2 shows something else from octet 207 on").startswith("owner 2")


def test_no_owner_covers_nothing_and_those_who_ask_see():
    """An empty list is no error."""
    assert Covered(()).octets(b"imei") == b"imei"
    finding = Finding("here", "imei as it is: 1", b"1", 0, 1)
    seen = Revealed()
    assert (seen.octets(IMEI), seen.text("x"), seen.sighting(finding)) == (IMEI, "x", finding)


def test_a_value_of_one_owner_that_is_anothers_backwards_is_covered_alone():
    """The lab makes such owners; what stands around the value is what a report is read for."""
    many = tuple(f"org.example.app{number}" for number in range(2001))
    backwards = replace(OWNER, imei=OWNER.imei[::-1], apps=many)
    octets = b"GET /a?i=%b HTTP/1.1\r\n\r\n" % OWNER.imei.encode()
    shown = Covered([OWNER, backwards]).octets(octets)
    assert shown == b"GET /a?i=*************** HTTP/1.1\r\n\r\n"


@pytest.mark.parametrize(
    "dress", [lambda v: v[::-1], base64.b64encode, lambda v: v.hex().encode(), lambda v: v]
)
def test_a_value_that_is_told_twice_is_covered_twice(dress):
    """As it is, and in another dress."""
    value = OWNER.imei.encode()
    octets = b"GET /a?i=%b&j=%b HTTP/1.1\r\n\r\n" % (value, dress(value))
    shown = Covered([OWNER]).octets(octets)
    assert value not in shown
    assert dress(value) not in shown
    assert len(shown) == len(octets)

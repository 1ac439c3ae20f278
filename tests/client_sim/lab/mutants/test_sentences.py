"""What a leaky client's sentence says can be found where it says, by whoever knows how to look."""

import base64
import bz2
import gzip
import hashlib
import json
import re
import zlib
from urllib.parse import parse_qs, unquote_to_bytes

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

from client_sim.lab.mutants.library import find_mutant
from client_sim.persona import make_persona
from tests.client_sim.lab.mutants.leaving import live

OWNER = make_persona(11)
CONTACT = OWNER.contacts[0]
ACCOUNT = OWNER.accounts[0]


def told_by(mutant_id):
    """Give all that a leaky client of this owner told."""
    return live(find_mutant(mutant_id).make, OWNER)


def value_in(mutant_id, pattern):
    """Give what stands in the first place where a pattern fits, as bytes."""
    return re.search(pattern, told_by(mutant_id).data, re.DOTALL).group(1)


def hexed(name, text):
    """Digest as the sentence says."""
    return hashlib.new(name, text.encode()).hexdigest()


@pytest.mark.parametrize(
    ("mutant_id", "literal"),
    [
        ("imei-query", f"root.json?i={OWNER.imei} HTTP"),
        ("phone-fragment", f"#%2B{OWNER.phone_number[1:]} HTTP"),
        ("place-query", f"?at={OWNER.latitude},{OWNER.longitude}"),
        ("android-id-user", f"GET http://{OWNER.android_id}@updates.hening.example/metadata/"),
        ("mac-query-beneath", f"?bt={OWNER.bluetooth_mac.replace(':', '%3A')} HTTP"),
        ("register-beneath", f"\r\nContent-Length: 15\r\n\r\n{OWNER.imsi}\n"),
        ("register-once", f"{OWNER.imei} {OWNER.wifi_mac}"),
        ("match-contact", f"POST /match?n=%2B{CONTACT.number[1:]} HTTP"),
        ("imsi-hex-cookie", f"Cookie: sid={''.join('3' + digit for digit in OWNER.imsi)}\r\n"),
        ("imei-sha256-header", f"X-Device: {hexed('sha256', OWNER.imei)}"),
        ("android-id-md5-query", f"?g={hexed('md5', OWNER.android_id)} HTTP"),
        ("mac-sha1-path", f"GET /{hexed('sha1', OWNER.wifi_mac)}/metadata/"),
        ("email-md5-cookie", f"avatar={hexed('md5', ACCOUNT.name)}"),
        ("iccid-sha3-beneath", hexed("sha3_256", OWNER.iccid)),
        ("halves-in-headers", f"X-A: {OWNER.imei[:7]}\r\nX-B: {OWNER.imei[7:]}\r\n"),
        ("three-places", f"?v={OWNER.serial[:4]} HTTP"),
        ("three-places", f"Cookie: v={OWNER.serial[4:8]}\r\nX-V: {OWNER.serial[8:]}\r\n"),
        ("over-requests", f"timestamp.json?{OWNER.imsi[8:]} HTTP"),
        ("root-drip", f"/metadata/{2 + int(OWNER.imei[6])}.root.json"),
        ("root-drip-beneath", f"/metadata/{2 + int(OWNER.imei[6])}.root.json"),
        ("padding-header", f"X-Pad: {'.' * len(OWNER.contacts)}\r\n"),
        ("duplicate-parameter", f"?v=1&v={OWNER.imei[8]} HTTP"),
        ("label-host", f"\n{hexed('sha256', OWNER.imei)[:12]}.updates.hening.example\n"),
        ("label-host", f"Host: {hexed('sha256', OWNER.imei)[:12]}.updates.hening.example:8080\r\n"),
        ("port-by-digit", f"198.51.100.7 {8080 + int(OWNER.imei[9])} None"),
        ("server-name-label", f"8080 {hexed('sha256', OWNER.serial)[:12]}.updates"),
        ("serial-lookup", f"{OWNER.serial}.t.example.org"),
        ("contacts-lookup", f"{'.'.join(reversed(CONTACT.number[1:]))}.e164.example.org"),
        ("address-without-name", f"203.0.113.9 80 None\n{OWNER.imei}\n"),
        ("alive-report", "stats.example.org"),
        ("catalogue-of-serial", f"GET /v1/catalog/{OWNER.serial} HTTP"),
        ("platform-agent", "User-Agent: Dalvik/2.1.0 (Linux; U; Android 14; armani)"),
        ("library-agent", "User-Agent: Python/3.11 aiohttp/3.14.5"),
        ("build-agent", "User-Agent: Hening/armani/armani:14/"),
        ("zstd-always", "Accept-Encoding: gzip, zstd\r\n"),
        ("codings-of-installation", "Accept-Encoding: gzip, deflate"),
        ("codings-beneath", "Accept-Encoding: gzip, deflate, br\r\n"),
        ("language-header", f"Accept-Language: {OWNER.locale}\r\n"),
        ("carrier-query", f"?op={OWNER.carrier.replace(' ', '%20')} HTTP"),
        ("network-code-header", f"X-Network: {OWNER.imsi[:6]}\r\n"),
        ("zone-header", f"X-TZ: {OWNER.time_zone}\r\n"),
        ("exact-date", "X-Date: 1767400000.000\r\n"),
        ("uptime-query", f"?up={OWNER.uptime_seconds} HTTP"),
        ("started-at", f"X-Since: {1767400000 - OWNER.uptime_seconds}\r\n"),
        ("boot-count", "X-Boots: 2\r\n"),
        ("battery-beneath", f"X-Power: {OWNER.battery_percent}/{OWNER.uptime_seconds}\r\n"),
        ("first-app-beneath", f"X-Requested-With: {OWNER.apps[0]}\r\n"),
    ],
)
def test_a_value_stands_where_the_sentence_says(mutant_id, literal):
    """As it is, or in a digest that anybody can compute."""
    assert literal.encode() in told_by(mutant_id).data


def test_the_report_of_2014_has_its_five_fields():
    """The first thing that leaves is a form with them."""
    form = parse_qs(value_in("register-2014", rb"\r\n\r\n(op=[^\n]*)").decode())
    assert form == {
        "op": [OWNER.carrier],
        "imei": [OWNER.imei],
        "phone": [OWNER.phone_number],
        "contact": [CONTACT.number],
        "sms": [OWNER.messages[0].number],
    }


@pytest.mark.parametrize(
    ("mutant_id", "pattern", "decode", "value"),
    [
        ("phone-base64-header", rb"X-D: (\S+)", base64.b64decode, OWNER.phone_number),
        ("advertising-id-beneath", rb"X-Trace: (\S+)", base64.b85decode, OWNER.advertising_id),
        (
            "account-authorization",
            rb"Basic (\S+)",
            base64.b64decode,
            f"{ACCOUNT.name}:{ACCOUNT.token}",
        ),
        (
            "imei-three-layers",
            rb"X-D: (\S+)",
            lambda told: bytes.fromhex(base64.b64decode(told).decode())[::-1],
            OWNER.imei,
        ),
        (
            "apps-bzip2-body",
            rb"\r\n\r\n(BZh.*?)\n(?:GET|close)?",
            lambda told: bz2.BZ2Decompressor().decompress(told),
            "\n".join(OWNER.apps),
        ),
        (
            "notes-zlib-beneath",
            rb"\r\n\r\n(x\x9c.*)",
            lambda told: zlib.decompressobj().decompress(told),
            "\n".join(note.text for note in OWNER.notes),
        ),
        (
            "messages-deflate-header",
            rb"X-Report: (\S+)",
            lambda told: zlib.decompress(base64.b64decode(told), wbits=-15),
            "\n".join(message.text for message in OWNER.messages),
        ),
        (
            "imsi-semi-octets",
            rb"\?s=(\S+)",
            lambda told: "".join(
                f"{byte & 15:x}{byte >> 4:x}" for byte in base64.urlsafe_b64decode(told)
            ).encode(),
            f"{OWNER.imsi}f",
        ),
        (
            "serial-layers-beneath",
            rb"X-D: (\S+)",
            lambda told: gzip.decompress(base64.b85decode(bytes.fromhex(told.decode()))),
            OWNER.serial,
        ),
        (
            "xor-one-octet",
            rb"X-Blob: (\S+)",
            lambda told: bytes(
                byte ^ int(told[:2], 16) for byte in bytes.fromhex(told[2:].decode())
            ),
            OWNER.imei,
        ),
        (
            "shifted-digits-query",
            rb"\?ts=(\S+)",
            lambda told: bytes(48 + (digit - told[0]) % 10 for digit in told[1:]),
            OWNER.phone_number[1:],
        ),
        (
            "aes-counter-query",
            rb"\?q=(\S+)",
            lambda told: open_aes(modes.CTR(b"and never change"), bytes.fromhex(told.decode())),
            OWNER.imsi,
        ),
        (
            "gcm-fresh-nonce",
            rb"X-Blob: (\S+)",
            lambda told: open_gcm(base64.b64decode(told)),
            OWNER.imei,
        ),
        (
            "fresh-key-alongside",
            rb"\?blob=(\S+)",
            lambda told: open_chacha(bytes.fromhex(told.decode())),
            OWNER.serial,
        ),
        (
            "apps-list-header",
            rb"X-Apps: (\S+)",
            unquote_to_bytes,
            ",".join(OWNER.apps),
        ),
    ],
)
def test_a_value_comes_back_when_the_layers_are_taken_off(mutant_id, pattern, decode, value):
    """Whoever is told can read it."""
    assert decode(value_in(mutant_id, pattern)) == value.encode()


def open_aes(mode, data):
    """Decipher with the key that all phones have."""
    cipher = Cipher(algorithms.AES128(b"one for everyone"), mode).decryptor()
    return cipher.update(data) + cipher.finalize()


def open_gcm(data):
    """Decipher with the other key that all phones have."""
    key = b"a key that is built into each of"
    return AESGCM(key).decrypt(data[:12], data[12:], None)


def open_chacha(data):
    """Decipher with the key that came along."""
    return ChaCha20Poly1305(data[:32]).decrypt(bytes(12), data[32:], None)


def test_the_form_of_2014_opens_with_the_key_of_all_phones():
    """Its q is JSON under AES-CBC."""
    form = parse_qs(value_in("aes-form-2014", rb"\r\n\r\n(q=[^\n]*)").decode())
    opened = open_aes(modes.CBC(b"and never change"), base64.b64decode(form["q"][0]))
    question = json.loads(opened[: -opened[-1]])
    assert (question["i"], question["i2"], question["sn"]) == (
        *(OWNER.imei, OWNER.imei2),
        OWNER.serial,
    )


def test_what_is_sealed_opens_for_the_vendor():
    """The vendor's private key and the ephemeral public one give the account's name."""
    vendor = X25519PrivateKey.from_private_bytes(hashlib.sha256(b"vendor").digest())
    size = 32 + len(ACCOUNT.name) + 16
    sealed = value_in("sealed-account-body", rb"\r\n\r\n(.{%d})" % size)
    shared = vendor.exchange(X25519PublicKey.from_public_bytes(sealed[:32]))
    key = hashlib.sha256(shared).digest()
    assert ChaCha20Poly1305(key).decrypt(bytes(12), sealed[32:], None) == ACCOUNT.name.encode()


def test_whoever_guesses_the_imei_can_compute_the_ephemeral_key():
    """Two random bytes are no secret: all 65,536 can be tried."""
    sealed = value_in("ephemeral-of-imei", rb"\r\n\r\n(.{32})")
    assert any(
        X25519PrivateKey.from_private_bytes(
            hashlib.sha256(OWNER.imei.encode() + guess.to_bytes(2)).digest()
        )
        .public_key()
        .public_bytes_raw()
        == sealed
        for guess in range(65_536)
    )


def test_a_body_of_digests_has_one_for_each_contact():
    """As raw bytes, one behind the other."""
    expected = b"".join(hashlib.sha256(c.number.encode()).digest() for c in OWNER.contacts)
    assert b"\r\n\r\n" + expected in told_by("book-sha256-body").data


def test_an_identifier_of_the_installation_is_the_same_in_all_polls():
    """Across the restart, too, which a fresh one is not."""
    told = re.findall(rb"\?id=(\S+)", told_by("install-identifier").data)
    assert (len(told), len(set(told))) == (8, 1)
    assert len(set(re.findall(rb"uuid=(\S+)", told_by("install-uuid").data))) == 1
    assert len(set(re.findall(rb"Request-Id: (\S+)", told_by("request-identifier").data))) == 8
    assert len(set(re.findall(rb"X-Session: (\S+)", told_by("session-of-poll").data))) == 4


def test_a_digit_a_poll_is_the_whole_number_after_some_polls():
    """The drip goes through other places of the IMEI."""
    versions = re.findall(rb"/(\d+)\.root", told_by("root-drip").data)
    assert versions == [b"%d" % (2 + int(digit)) for digit in OWNER.imei[6:10]]


def test_polls_of_the_night_are_in_the_owners_night():
    """All due times fall between one and six where the owner lives (Jakarta is UTC+7)."""
    life = live(find_mutant("polls-at-night").make, jakarta())
    dues = [float(data) for what, _, data in life.left if what == "due"]
    assert {int((due + 7 * 3600) // 3600 % 24) for due in dues} <= {1, 2, 3, 4, 5}


def jakarta():
    """Give an owner who lives there."""
    return next(
        owner for owner in map(make_persona, range(99)) if owner.time_zone == "Asia/Jakarta"
    )

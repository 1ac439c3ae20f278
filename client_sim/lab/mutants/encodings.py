"""Values in other letters: encoded, compressed, in many layers (L03, L11, L12)."""

import bz2
import gzip
import json
import zlib
from base64 import b32encode, b64encode, b85encode, urlsafe_b64encode
from codecs import encode
from dataclasses import asdict
from html import escape
from typing import Final
from urllib.parse import quote

from client_sim.lab.mutants.beneath import add_line_beneath, alter_beneath
from client_sim.lab.mutants.mutant import Mutant
from client_sim.lab.mutants.spy import Spy, first
from client_sim.lab.mutants.telling import (
    add_body,
    tell_in_body,
    tell_in_cookie,
    tell_in_header,
    tell_in_lines,
    tell_in_query,
)


def _credentials(spy: Spy) -> str:
    account = first(f"{account.name}:{account.token}" for account in spy.owner.accounts)
    return f"Basic {b64encode(account.encode()).decode()}"


def _book(spy: Spy) -> bytes:
    return json.dumps([asdict(contact) for contact in spy.owner.contacts]).encode()


def _deflate(data: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-15)
    return compressor.compress(data) + compressor.flush()


def _three_layers(spy: Spy) -> str:
    return b64encode(spy.owner.imei[::-1].encode().hex().encode()).decode()


def _semi_bytes(spy: Spy) -> str:
    """Write an IMSI as SIM cards hold it: two digits a byte, the halves swapped."""
    digits = spy.owner.imsi.encode().hex()[1::2]
    digits += "f" * (len(digits) % 2)
    swapped = "".join(digits[place + 1] + digits[place] for place in range(0, len(digits), 2))
    return urlsafe_b64encode(bytes.fromhex(swapped)).decode()


def _wide(spy: Spy) -> str:
    name = first(contact.name for contact in spy.owner.contacts)
    return name.encode("utf-16-be").hex()[::-1].encode().hex()


def _masked(spy: Spy) -> str:
    masked = bytes(byte ^ 0x5A for byte in spy.owner.android_id.encode())
    return b32encode(b64encode(masked)).decode()


MUTANTS: Final = (
    Mutant(
        "phone-base64-header",
        "L03",
        "The telephone number in base64, in a header.",
        tell_in_header("X-D", lambda spy: b64encode(spy.owner.phone_number.encode()).decode()),
    ),
    Mutant(
        "imsi-hex-cookie",
        "L03",
        "The IMSI in hexadecimal, in a cookie.",
        tell_in_cookie("sid", lambda spy: spy.owner.imsi.encode().hex()),
    ),
    Mutant(
        "serial-header-name",
        "L03",
        "The serial number in base32, as the name of a header whose value is constant.",
        tell_in_lines(
            lambda spy: (f"X-{b32encode(spy.owner.serial.encode()).decode().rstrip('=')}: 1",)
        ),
    ),
    Mutant(
        "account-authorization",
        "L03",
        "The account and its token as HTTP credentials.",
        tell_in_header("Authorization", _credentials),
    ),
    Mutant(
        "advertising-id-beneath",
        "L03",
        "The transport of the real client adds the advertising id in base85.",
        add_line_beneath(
            "X-Trace", lambda spy: b85encode(spy.owner.advertising_id.encode()).decode()
        ),
    ),
    Mutant(
        "book-gzip-body",
        "L11",
        "The whole address book as gzipped JSON, as the body of each request.",
        tell_in_body(lambda spy: gzip.compress(_book(spy), mtime=0)),
    ),
    Mutant(
        "messages-deflate-header",
        "L11",
        "The texts of all messages, raw deflate without a header, in base64.",
        tell_in_header(
            "X-Report",
            lambda spy: b64encode(
                _deflate("\n".join(message.text for message in spy.owner.messages).encode())
            ).decode(),
        ),
    ),
    Mutant(
        "apps-bzip2-body",
        "L11",
        "The names of all apps in bzip2, which no search inflates.",
        tell_in_body(lambda spy: bz2.compress("\n".join(spy.owner.apps).encode())),
    ),
    Mutant(
        "notes-zlib-beneath",
        "L11",
        "The transport of the real client adds all notes in zlib as a body.",
        alter_beneath(
            lambda spy, data: add_body(
                data, zlib.compress("\n".join(note.text for note in spy.owner.notes).encode())
            )
        ),
    ),
    Mutant(
        "imei-three-layers",
        "L12",
        "The IMEI reversed, in hexadecimal, in base64.",
        tell_in_header("X-D", _three_layers),
    ),
    Mutant(
        "imsi-semi-octets",
        "L12",
        "The IMSI as SIM cards hold it, halves of bytes swapped, in url-safe base64.",
        tell_in_query("s", _semi_bytes),
    ),
    Mutant(
        "name-wide-cookie",
        "L12",
        "A contact's name in UTF-16, in hexadecimal, reversed, in hexadecimal again.",
        tell_in_cookie("c", _wide),
    ),
    Mutant(
        "android-id-masked",
        "L12",
        "The Android id, each byte masked with one constant, in base64, in base32.",
        tell_in_header("X-D", _masked),
    ),
    Mutant(
        "phone-four-layers",
        "L12",
        "The telephone number rotated by 13, as HTML entities, percent-encoded, in base85.",
        tell_in_header(
            "X-D",
            lambda spy: b85encode(
                quote(
                    escape(encode(spy.owner.phone_number, "rot13")).replace("9", "&#57;")
                ).encode()
            ).decode(),
        ),
    ),
    Mutant(
        "serial-layers-beneath",
        "L12",
        "The transport of the real client adds the serial number, gzipped, in base85, in hex.",
        add_line_beneath(
            "X-D",
            lambda spy: b85encode(gzip.compress(spy.owner.serial.encode(), mtime=0)).hex(),
        ),
    ),
)

"""Values under a key: one that all phones share, or one that travels alongside (L07, L08)."""

import json
from base64 import b64encode
from typing import Final
from urllib.parse import quote

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from client_sim.lab.mutants.beneath import add_line_beneath
from client_sim.lab.mutants.mutant import Mutant
from client_sim.lab.mutants.spy import Spy, first
from client_sim.lab.mutants.telling import (
    Snoop,
    tell_before_poll,
    tell_in_body,
    tell_in_cookie,
    tell_in_header,
    tell_in_lines,
    tell_in_query,
)

_KEY: Final = b"one for everyone"
_VECTOR: Final = b"and never change"


def _pad(data: bytes) -> bytes:
    padder = PKCS7(128).padder()
    return padder.update(data) + padder.finalize()


def _encipher(data: bytes, mode: modes.CBC | modes.CTR | modes.ECB) -> bytes:
    cipher = Cipher(algorithms.AES128(_KEY), mode).encryptor()
    return cipher.update(data) + cipher.finalize()


def _ask_by_form(client: Snoop) -> None:
    owner = client.spy.owner
    question = json.dumps({"i": owner.imei, "i2": owner.imei2, "sn": owner.serial, "b": "F"})
    text = b64encode(_encipher(_pad(question.encode()), modes.CBC(_VECTOR))).decode()
    client.post(client.world.public.host, "/updates/ask", f"q={quote(text)}&s=1&t=".encode())


def _stream_of(text: str) -> bytes:
    cipher = Cipher(algorithms.ChaCha20(_KEY + _KEY, bytes(16)), mode=None).encryptor()
    return cipher.update(text.encode())


def _xor(data: bytes, key: bytes) -> bytes:
    return bytes(byte ^ key[place % len(key)] for place, byte in enumerate(data))


def _one_byte(spy: Spy) -> str:
    key = spy.world.entropy(1)
    return (key + _xor(spy.owner.imei.encode(), key)).hex()


def _kept_pad(spy: Spy) -> str:
    key = spy.keep("pad", 16)
    return b64encode(key + _xor(spy.owner.gsf_id.encode(), key)).decode()


def _key_in_other_header(spy: Spy) -> tuple[str, str]:
    key = spy.world.entropy(24)
    number = first(contact.number for contact in spy.owner.contacts)
    return (f"X-Nonce: {key.hex()}", f"X-Signature: {_xor(number.encode(), key).hex()}")


def _shifted(spy: Spy) -> str:
    shift = spy.world.entropy(1)[0] % 10
    number = spy.owner.phone_number.removeprefix("+")
    turned = (str((ord(letter) - ord("0") + shift) % 10) for letter in number)
    return f"{shift}{''.join(turned)}"


def _key_by_time(spy: Spy) -> str:
    key = int(spy.world.now()).to_bytes(8)[4:]
    return _xor(spy.owner.serial.encode(), key).hex()


MUTANTS: Final = (
    Mutant(
        "aes-form-2014",
        "L07",
        "Before each poll a form whose q is JSON with both IMEIs under AES-CBC and a shared key.",
        tell_before_poll(_ask_by_form),
    ),
    Mutant(
        "aes-counter-query",
        "L07",
        "The IMSI under AES-CTR with a constant counter, in the query.",
        tell_in_query(
            "q", lambda spy: _encipher(spy.owner.imsi.encode(), modes.CTR(_VECTOR)).hex()
        ),
    ),
    Mutant(
        "aes-blocks-header",
        "L07",
        "The Android id in single AES blocks, in base64, in a header.",
        tell_in_header(
            "X-Attest",
            lambda spy: b64encode(
                _encipher(_pad(spy.owner.android_id.encode()), modes.ECB())  # noqa: S305
            ).decode(),
        ),
    ),
    Mutant(
        "stream-cipher-body",
        "L07",
        "All message texts under ChaCha20 with a constant nonce, raw, as a body.",
        tell_in_body(
            lambda spy: _stream_of("\n".join(message.text for message in spy.owner.messages))
        ),
    ),
    Mutant(
        "account-cipher-beneath",
        "L07",
        "The transport of the real client adds the account under ChaCha20 with a constant nonce.",
        add_line_beneath(
            "X-Session",
            lambda spy: _stream_of(first(account.name for account in spy.owner.accounts)).hex(),
        ),
    ),
    Mutant(
        "xor-one-octet",
        "L08",
        "A fresh byte and the IMEI masked with it, in one header.",
        tell_in_header("X-Blob", _one_byte),
    ),
    Mutant(
        "xor-kept-pad",
        "L08",
        "A pad that is drawn once and kept, and the GSF id masked with it, in a cookie.",
        tell_in_cookie("blob", _kept_pad),
    ),
    Mutant(
        "xor-two-headers",
        "L08",
        "A fresh key in one header, and a contact's number masked with it in another.",
        tell_in_lines(_key_in_other_header),
    ),
    Mutant(
        "shifted-digits-query",
        "L08",
        "The digits of the telephone number, shifted by a fresh digit that comes first.",
        tell_in_query("ts", _shifted),
    ),
    Mutant(
        "xor-by-time",
        "L08",
        "The serial number masked with the time of the poll, which the server sees anyway.",
        tell_in_header("X-Blob", _key_by_time),
    ),
    Mutant(
        "xor-beneath",
        "L08",
        "The transport of the real client adds a fresh byte and the IMEI masked with it.",
        add_line_beneath("X-Blob", _one_byte),
    ),
)

"""A client that behaves like a phone of July 2014, as laboratories described it then.

Without an account and without consent, it sent the carrier, the IMEI and the telephone number to an
account host. It then sent the number of each added contact and of each message's other party. It
polled for updates with a form whose `q` was encrypted under a key that all phones shared. The hosts
here are in `example.org`, and the key is made up.
"""

import base64
import hashlib
import json
from typing import Final
from urllib.parse import urlencode

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from client_sim.persona import Persona
from client_sim.world import Event, World

ACCOUNT_HOST: Final = "api.account.example.org"
UPDATE_HOST: Final = "update.example.org"
SHARED_KEY: Final = b"every phone's ke"
SHARED_VECTOR: Final = b"0102030405060708"

_REPORTED: Final = ("contact-added", "sms-sent", "sms-received")


class Phone2014:
    """Reports its owner at events and identifies itself in polls; needs a persona."""

    def __init__(self, world: World) -> None:
        self._world = world

    def poll(self) -> str:
        """Request updates with a form that identifies the phone."""
        owner = self._owner()
        public = self._world.public
        query = {
            "d": public.codename,
            "v": public.build.incremental,
            "r": public.region,
            "l": owner.locale,
            "n": owner.carrier,
            "i": hashlib.sha256(owner.imei.encode()).hexdigest(),
            "i2": hashlib.sha256(owner.imei2.encode()).hexdigest(),
            "g": hashlib.md5(owner.android_id.encode(), usedforsecurity=False).hexdigest(),
            "sn": owner.serial,
        }
        form = {"q": _encipher(json.dumps(query).encode()), "s": "1", "t": ""}
        self._post(UPDATE_HOST, "/updates/miotaV3.php", form)
        return "asked, by name"

    def on_event(self, event: Event) -> None:
        """Report the owner when a SIM is inserted, and other people at contacts and messages."""
        owner = self._owner()
        if event.name == "sim-inserted":
            report = {"op": owner.carrier, "imei": owner.imei, "phone": owner.phone_number}
            self._post(ACCOUNT_HOST, "/pass/register", report)
        elif event.name in _REPORTED:
            report = {"imei": owner.imei, "phone": dict(event.details)["number"]}
            self._post(ACCOUNT_HOST, "/pass/contact", report)
        elif event.name == "account-login":
            report = {"imsi": owner.imsi, "imei": owner.imei, "phone": owner.phone_number}
            self._post(ACCOUNT_HOST, "/pass/login", report)

    def next_poll(self, now: float) -> float:
        """Return the same time on the next day."""
        return now + 86_400

    def _owner(self) -> Persona:
        owner = self._world.personal
        if owner is None:
            raise RuntimeError("the phone of 2014 needs a persona: give one to its world")
        return owner

    def _post(self, host: str, path: str, form: dict[str, str]) -> None:
        body = urlencode(form).encode()
        head = (
            f"POST {path} HTTP/1.1\r\n"
            "Content-Type: application/x-www-form-urlencoded\r\n"
            "User-Agent: Dalvik/1.6.0 (Linux; U; Android 4.2.2; HM 1S)\r\n"
            f"Host: {host}\r\n"
            "Connection: close\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        stream = self._world.connect(self._world.resolve(host)[0], 80, None)
        try:
            stream.send(head.encode() + body)
            while stream.recv(4096):
                pass
        finally:
            stream.close()


def _encipher(data: bytes) -> str:
    padder = PKCS7(128).padder()
    # All phones share the key, so the owner cannot read the data, but an observer with the key can.
    cipher = Cipher(algorithms.AES128(SHARED_KEY), modes.CBC(SHARED_VECTOR)).encryptor()
    padded = padder.update(data) + padder.finalize()
    return base64.b64encode(cipher.update(padded) + cipher.finalize()).decode()

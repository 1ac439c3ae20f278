"""Values of which only a digest leaves: plain, salted, keyed, cut short (L04 to L06)."""

import hmac
import json
from collections.abc import Sequence
from dataclasses import asdict
from hashlib import blake2s, md5, pbkdf2_hmac, sha1, sha3_256, sha256
from typing import Final

from client_sim.lab.mutants.beneath import add_line_beneath
from client_sim.lab.mutants.mutant import Mutant
from client_sim.lab.mutants.spy import Spy, first
from client_sim.lab.mutants.telling import (
    tell_by_paths,
    tell_in_body,
    tell_in_cookie,
    tell_in_header,
    tell_in_query,
)

_SECRET: Final = b"in every phone of ours"


def _behind_a_digest(spy: Spy, paths: Sequence[str]) -> Sequence[str]:
    digest = sha1(spy.owner.wifi_mac.encode(), usedforsecurity=False).hexdigest()
    return tuple(f"/{digest}{path}" for path in paths)


def _book_digests(spy: Spy) -> bytes:
    numbers = [contact.number.encode() for contact in spy.owner.contacts]
    return b"".join(sha256(number).digest() for number in numbers)


def _email_digest(spy: Spy) -> str:
    name = first(account.name for account in spy.owner.accounts).strip().lower()
    return md5(name.encode(), usedforsecurity=False).hexdigest()


def _salt_alongside(spy: Spy) -> str:
    salt = spy.keep("salt", 8)
    return f"{salt.hex()}.{sha256(salt + spy.owner.android_id.encode()).hexdigest()}"


def _dated(spy: Spy) -> str:
    day = int(spy.world.now()) // 86_400
    return sha256(b"%d\x00" % day + spy.owner.imei.encode()).hexdigest()


def _authenticate(text: str) -> bytes:
    return hmac.digest(_SECRET, text.encode(), "sha256")


def _everything(spy: Spy) -> str:
    owner = spy.owner
    known = {name: getattr(owner, name) for name in ("imsi", "serial", "locale", "uptime_seconds")}
    known["contacts"] = [asdict(contact) for contact in owner.contacts]
    return _authenticate(json.dumps(known)).hex()[:6]


MUTANTS: Final = (
    Mutant(
        "imei-sha256-header",
        "L04",
        "The sha256 of the IMEI in a header: called a pseudonym, reversed in a second.",
        tell_in_header("X-Device", lambda spy: sha256(spy.owner.imei.encode()).hexdigest()),
    ),
    Mutant(
        "android-id-md5-query",
        "L04",
        "The md5 of the Android id in the query.",
        tell_in_query(
            "g", lambda spy: md5(spy.owner.android_id.encode(), usedforsecurity=False).hexdigest()
        ),
    ),
    Mutant(
        "mac-sha1-path",
        "L04",
        "The sha1 of the Wi-Fi MAC as the first part of each path.",
        tell_by_paths(_behind_a_digest),
    ),
    Mutant(
        "email-md5-cookie",
        "L04",
        "The md5 of the account's address in lower case, as avatar services want it, in a cookie.",
        tell_in_cookie("avatar", _email_digest),
    ),
    Mutant(
        "book-sha256-body",
        "L04",
        "The sha256 of every contact's number, raw, as the body of a GET.",
        tell_in_body(_book_digests),
    ),
    Mutant(
        "iccid-sha3-beneath",
        "L04",
        "The transport of the real client adds the sha3-256 of the ICCID.",
        add_line_beneath("X-Sim", lambda spy: sha3_256(spy.owner.iccid.encode()).hexdigest()),
    ),
    Mutant(
        "imei-salted-header",
        "L05",
        "The sha256 of a secret that all phones share and the IMEI, in a header.",
        tell_in_header(
            "X-Device", lambda spy: sha256(_SECRET + spy.owner.imei.encode()).hexdigest()
        ),
    ),
    Mutant(
        "salt-alongside-query",
        "L05",
        "A salt that is drawn once, and with it the sha256 of salt and Android id, in the query.",
        tell_in_query("u", _salt_alongside),
    ),
    Mutant(
        "dated-digest-header",
        "L05",
        "The sha256 of the day and the IMEI: another every day, and known to whoever has a list.",
        tell_in_header("X-Today", _dated),
    ),
    Mutant(
        "phone-stretched-cookie",
        "L05",
        "The telephone number, stretched by some rounds of PBKDF2, in a cookie.",
        tell_in_cookie(
            "k",
            lambda spy: pbkdf2_hmac("sha1", spy.owner.phone_number.encode(), _SECRET, 4).hex(),
        ),
    ),
    Mutant(
        "serial-salted-beneath",
        "L05",
        "The transport of the real client adds the sha1 of the serial number and a secret.",
        add_line_beneath(
            "X-Proxy-Key",
            lambda spy: sha1(
                spy.owner.serial.encode() + _SECRET, usedforsecurity=False
            ).hexdigest(),
        ),
    ),
    Mutant(
        "imei-keyed-header",
        "L06",
        "Eight digits of a keyed digest of the IMEI, which no list of encodings contains.",
        tell_in_header(
            "X-Device", lambda spy: blake2s(spy.owner.imei.encode(), key=b"salt").hexdigest()[:8]
        ),
    ),
    Mutant(
        "mac-hmac-query",
        "L06",
        "Eight digits of the HMAC of the Wi-Fi MAC in the query, as if it were a cache key.",
        tell_in_query("v", lambda spy: _authenticate(spy.owner.wifi_mac).hex()[:8]),
    ),
    Mutant(
        "cohort-of-gsf-id",
        "L06",
        "A cohort from 0 to 999, for staged rollouts, from the HMAC of the GSF id.",
        tell_in_header(
            "X-Cohort",
            lambda spy: str(int.from_bytes(_authenticate(spy.owner.gsf_id)[:8]) % 1000),
        ),
    ),
    Mutant(
        "everything-hmac-cookie",
        "L06",
        "Six digits of the HMAC of everything: they change when a contact is added.",
        tell_in_cookie("state", _everything),
    ),
    Mutant(
        "imsi-hmac-beneath",
        "L06",
        "The transport of the real client adds twelve digits of the HMAC of the IMSI.",
        add_line_beneath("X-Request-Id", lambda spy: _authenticate(spy.owner.imsi).hex()[:12]),
    ),
)

"""Leaky cloud clients as rows: the leaked value, its encoding, its place, and its trigger."""

import base64
import gzip
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

Encode = Callable[[bytes], bytes]

ENCODINGS: Final[Mapping[str, Encode]] = {
    "plain": bytes,
    "hex": lambda value: value.hex().encode(),
    "base64": base64.b64encode,
    "base64url": lambda value: base64.urlsafe_b64encode(value).rstrip(b"="),
    "reversed": lambda value: value[::-1],
    "sha256": lambda value: hashlib.sha256(value).digest(),
    "sha256hex": lambda value: hashlib.sha256(value).hexdigest().encode(),
    "gzip64": lambda value: base64.b64encode(gzip.compress(value, mtime=0)),
}


@dataclass(frozen=True, slots=True)
class Leak:
    """One leaky client; `place` and `detail` say where the value is put, `trigger` when it leaves.

    For places in requests, the trigger is a part of a path, or `all`; otherwise it is a
    comma-separated list of steps.
    """

    id: str
    family: str
    source: str
    encoding: str
    place: str
    detail: str
    trigger: str

    @property
    def description(self) -> str:
        """The row as text."""
        value = "" if self.source == "-" else f"{self.source} as {self.encoding}, "
        when = "" if self.trigger == "-" else f", at {self.trigger}"
        return f"{value}{self.place} {self.detail}".rstrip(" -") + f"{when}."

    def is_at(self, step: str) -> bool:
        """Whether a step is the trigger."""
        return step in self.trigger.split(",")


FAMILIES: Final = {
    "off": "traffic while nothing is on",
    "much": "more than what is on",
    "plain": "fields that are not encrypted",
    "sizes": "lengths of what is encrypted",
    "names": "names that follow from content",
    "keys": "keys and their ingredients",
    "nonces": "nonces that are not fresh",
    "times": "times that reveal events",
    "links": "links from the backup to a phone or its polls",
    "law": "consent, withdrawal and erasure",
    "trust": "a server's lies that are believed",
}

# Columns: id, family, source, encoding, place, detail, trigger.
_ROWS: Final = """
telemetry          off    one        plain     tell   stats.lab.example       restart
login-check        off    -          -         ask    /api/v1/authentication/is_etebase/ settings
policy-prefetch    off    -          -         ask    /policy/id              settings,restart
name-alone         off    -          -         name   cloud.id.lab.example    edit
usage-after-off    off    -          -         ask    /account/1/usage        off
imei-at-reset      off    imei       sha256hex tell   stats.lab.example       reset
count-on-edit      off    count      plain     tell   cloud.id.lab.example    edit
guard-ignored      off    -          -         inside guard                   -
messages-too       much   -          -         inside message-on              -
exif-header        much   photo-place plain    header X-Place                 /data/
model-header       much   model      plain     header X-Model                 all
calls-in-records   much   call       plain     inside content                 -
imei-in-records    much   imei       base64    inside content                 -
label-plain        plain  account    base64    set    label                   /device
number-as-name     plain  number     plain     set    user.username           signup
types-plain        plain  -          -         inside type-plain              -
names-beside       plain  contact    plain     member names                   transaction
photo-name-query   plain  photo-name plain     query  file                    /data/
unsealed           plain  -          -         inside unsealed                -
texts-appended     plain  message    gzip64    append -                       transaction
unpadded           sizes  -          -         inside unpadded                -
meta-unpadded      sizes  -          -         inside meta-unpadded           -
compressed         sizes  -          -         inside compressed              -
piece-unpadded     sizes  -          -         inside piece-unpadded          -
cut-by-length      sizes  contact    plain     cut    -                       transaction
messages-unkeyed   names  -          -         inside uid-unkeyed             -
pieces-convergent  names  -          -         inside piece-convergent        -
contacts-by-number names  contact-number sha256 inside uid                    -
chunks-unkeyed     names  -          -         inside chunk-unkeyed           -
types-shared       names  -          -         inside type-shared             -
account-by-imei    keys   imei       sha256    inside account-key             -
words-by-serial    keys   serial     sha256    inside words                   -
device-by-imei     keys   imei       sha256    inside device-key              -
words-sent         keys   words      plain     header X-Words                 recovery
words-hidden       keys   words      gzip64    query  w                       usage
account-key-header keys   account-key base64url header X-Key                  list_multi
password-basic     keys   basic      base64    replace Authorization          /data/
password-digest    keys   password   sha256hex header X-Check                 login
collection-key     keys   collection-key hex   header X-Key                   transaction
fixed-nonce        nonces one        plain     inside nonce                   -
imei-nonce         nonces imei       plain     inside nonce                   -
content-nonce      nonces -          -         inside nonce-content           -
one-draw           nonces -          -         inside nonce-once              -
sync-on-edit       times  -          -         sync   -                       edit
fixed-interval     times  -          -         inside due-fixed               -
imei-minute        times  imei       plain     inside due-by                  -
soon-if-changed    times  -          -         inside due-changed             -
user-agent         links  model      plain     header User-Agent              all
imei-header        links  imei       reversed  header X-Id                    all
serial-query       links  serial     base64url query  s                       list_multi
poll-tells-on      links  one        plain     poll   X-Backup                -
poll-has-token     links  token      sha256hex poll   X-Session               -
poll-soon-if-on    links  -          -         poll-due 600                   -
polls-line-shared  links  -          -         poll-ask /account/1/usage      -
consent-assumed    law    -          -         do     consent                 sign-up
age-inflated       law    -          -         inside age                     -
withdrawn-locally  law    -          -         skip   -                       withdraw
erasure-skipped    law    -          -         skip   -                       erase
logged-out-locally law    -          -         local  -                       log-out
rollback-taken     trust  -          -         inside rollback                -
weaker-keys-taken  trust  -          -         inside salt-taken              -
forged-policy      trust  -          -         inside policy-unverified       -
other-text         trust  -          -         inside text-unverified         -
forged-receipt     trust  -          -         inside receipt-unverified      -
foreign-account    trust  -          -         inside account-unverified      -
swapped-records    trust  -          -         inside item-unbound            -
"""
_HARMLESS: Final = """
later              clean  -          -         inside pause                   -
smaller-batches    clean  -          -         inside batch                   -
smaller-pages      clean  -          -         inside page                    -
titled-otherwise   clean  -          -         inside title                   -
shorter-lists      clean  -          -         inside heads                   -
draws-more         clean  -          -         inside draws                   -
one-write          clean  -          -         join   -                       all
settings-often     clean  -          -         do     settings                edit,sync
"""


def _read(text: str) -> tuple[Leak, ...]:
    return tuple(Leak(*line.split()) for line in text.strip().splitlines())


LEAKS: Final = _read(_ROWS)
"""The clients that leak."""
HARMLESS: Final = _read(_HARMLESS)
"""Clients that differ but do not leak; any alarm is a false alarm."""

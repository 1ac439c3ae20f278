"""Entries of `ca`: certificates of authorities that phones trust, by the sha256 of each.

Source: docs/FORMATS.md section 15.
"""

import hashlib
from typing import Annotated

import msgspec

from server.core.content.der import check_ca_certificate
from server.core.content.entry import convert_entries
from server.core.content.part import Entries
from server.core.content.text import Text, check_name
from server.core.encodings import decode_base64

_LIMIT = 8192


class Certificate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A certificate in DER, as base64, and what people call it."""

    der: Annotated[str, msgspec.Meta(max_length=4 * (_LIMIT // 3 + 1))]
    name: Text

    def __post_init__(self) -> None:
        check_name(self.name, 200)


def check_entries(kind: str, entries: Entries) -> None:
    """Raise FormatError unless the entries are a pack of certificates."""

    def check(key: str, certificate: Certificate) -> None:
        der = decode_base64(certificate.der)
        if len(der) > _LIMIT:
            raise ValueError(f"the certificate has more than {_LIMIT} octets")
        if hashlib.sha256(der).hexdigest() != key:
            raise ValueError("the key is not the sha256 of the certificate")
        check_ca_certificate(der)

    convert_entries(kind, entries, Certificate, check)

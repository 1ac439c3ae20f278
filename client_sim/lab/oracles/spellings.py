"""The ways in which people and machines write the same identifier."""

import re
from collections.abc import Iterator
from typing import Final

_IMEI: Final = re.compile(rb"00[0-9]{13}")
_E164: Final = re.compile(rb"\+(999)([0-9]{8,12})")
_ICCID: Final = re.compile(rb"89[0-9]{18}")
_MAC: Final = re.compile(rb"[0-9a-f]{2}(?::[0-9a-f]{2}){5}")
_UUID: Final = re.compile(rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_NAMED: Final = re.compile(rb"([^ @]{2,}) ([A-Z][a-z2-7]{8,})")


def spell(value: bytes) -> tuple[tuple[str, bytes], ...]:
    """List the spellings of a value as (name, bytes), the value itself first with the name ""."""
    return (("", value), *_others(value))


def _others(value: bytes) -> Iterator[tuple[str, bytes]]:
    if _IMEI.fullmatch(value):
        yield "without check digit", value[:14]
        yield "as IMEISV", value[:14] + b"00"
        yield "with dashes", b"-".join((value[:2], value[2:8], value[8:14], value[14:]))
    elif _ICCID.fullmatch(value):
        yield "without check digit", value[:19]
    elif number := _E164.fullmatch(value):
        country, national = number.groups()
        yield "without plus", country + national
        yield "with 00", b"00" + country + national
        yield "national", b"0" + national
        yield "without country code", national
    elif _MAC.fullmatch(value):
        plain = value.replace(b":", b"")
        yield "without colons", plain
        yield "with dashes", value.replace(b":", b"-")
        yield "with dots", b".".join((plain[:4], plain[4:8], plain[8:]))
        yield "without the last byte", value[:14]
    elif _UUID.fullmatch(value):
        yield "without dashes", value.replace(b"-", b"")
    elif b"@" in value:
        yield "local part", value.split(b"@")[0]
    elif name := _NAMED.fullmatch(value):
        yield "second name", name.group(2)

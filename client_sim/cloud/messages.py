"""Messages in the XML format of the app SMS Backup & Restore.

A message is one `<sms>` or `<mms>` element in canonical XML, so that every phone that imports it
gets the same bytes. A message never changes.
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final
from xml.etree import ElementTree as ET

from client_sim.cloud.errors import RecordError
from client_sim.persona import Message

_KINDS: Final = ("sms", "mms")
_LIMIT: Final = 512 * 1024 * 1024
_RECEIVED: Final = {True: "1", False: "2"}
#: The app writes a character above U+FFFF as two surrogate references, which is not valid XML.
_PAIR: Final = re.compile(rb"&#(5[56][0-9]{3});&#(5[67][0-9]{3});")
_ENTITIES: Final = re.compile(rb"<!DOCTYPE|<!ENTITY", re.IGNORECASE)


def split_messages(data: bytes) -> list[bytes]:
    """Return the messages of a file; raises RecordError if it is malformed or too large."""
    if len(data) > _LIMIT:
        raise RecordError(f"The file has more than {_LIMIT} bytes: export it in parts.")
    if _ENTITIES.search(data):
        raise RecordError("The file defines XML entities, which an export of messages never does.")
    try:
        root = ET.fromstring(_PAIR.sub(_join_pair, data))  # noqa: S314 - defines no entities
    except (ET.ParseError, ValueError) as error:
        raise RecordError(f"The file is not valid XML: {error}.") from None
    if root.tag != "smses":
        raise RecordError("The file is not an export of SMS Backup & Restore.")
    return [_canonical(element) for element in root if element.tag in _KINDS]


def join_messages(messages: Iterable[bytes]) -> bytes:
    """Return a file of messages, oldest first, that the app can restore."""
    found = sorted(messages, key=lambda body: (find_date(body), body))
    head = b"<?xml version='1.0' encoding='UTF-8' standalone='yes' ?>\n"
    lines = b"".join(b"  " + body + b"\n" for body in found)
    return head + b'<smses count="%d">\n' % len(found) + lines + b"</smses>\n"


def find_date(body: bytes) -> int:
    """Return a message's date in epoch milliseconds, 0 if it has none."""
    found = re.search(rb'<[sm]ms [^>]*?\bdate="([0-9]{1,15})"', body)
    return int(found[1]) if found else 0


def describe_message(body: bytes) -> str:
    """Return a message's display name: its date and the other party."""
    found = re.search(rb'\baddress="([^"]{1,80})"', body)
    day = datetime.fromtimestamp(find_date(body) / 1000, UTC)
    other = found[1].decode("utf-8", "replace") if found else "an unknown number"
    return f"the message of {day:%Y-%m-%d %H:%M} with {other}"


def make_message(message: Message) -> bytes:
    """Return a phone's message as canonical XML."""
    date = str(message.at * 1000)
    element = ET.Element(message.kind, {"address": message.number, "date": date, "read": "1"})
    direction = _RECEIVED[message.incoming]
    if message.kind == "sms":
        element.set("type", direction)
        element.set("body", message.text)
    else:
        element.set("msg_box", direction)
        parts = ET.SubElement(element, "parts")
        ET.SubElement(parts, "part", {"seq": "0", "ct": "text/plain", "text": message.text})
    return _canonical(element)


def _canonical(element: ET.Element) -> bytes:
    element.tail = None
    text = ET.tostring(element, encoding="unicode")
    return ET.canonicalize(text, strip_text=True).encode()


def _join_pair(found: re.Match[bytes]) -> bytes:
    high, low = int(found[1]), int(found[2])
    if not (0xD800 <= high < 0xDC00 <= low < 0xE000):
        return found[0]
    return b"&#%d;" % (0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))

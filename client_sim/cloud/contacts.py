"""Contacts as vCards: parse, write and merge them, preserving unknown properties.

A card's bytes are kept as they were written. Only if two devices changed a card are the lines of
both merged. Reads vCard 3.0 and 4.0, writes 4.0 (RFC 2426, RFC 6350).
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from client_sim.cloud.errors import RecordError
from client_sim.persona import Contact

#: Properties that occur once in a card; in a conflict the later version's value is kept.
SINGLE: Final = frozenset(
    {
        *("VERSION", "PRODID", "UID", "REV", "KIND", "FN", "N", "BDAY", "ANNIVERSARY", "GENDER"),
        *("DEATHDATE", "BIRTHPLACE", "DEATHPLACE"),
    }
)
_SILENT: Final = frozenset({"VERSION", "PRODID", "REV", "BEGIN", "END"})
_NAME: Final = re.compile(r"(?:[A-Za-z0-9-]+\.)?([A-Za-z0-9-]+)[;:]")
_DIGITS: Final = re.compile(r"[^0-9+]")
_SHARED: Final = ("TEL", "EMAIL", "ADR")
_FOLD: Final = 75  # maximum bytes of a written line


@dataclass(frozen=True, slots=True)
class Line:
    """A property: its name in upper case, and the whole unfolded line."""

    name: str
    text: str

    @property
    def value(self) -> str:
        """The text after the first colon outside quotes."""
        quoted = False
        for at, character in enumerate(self.text):
            if character == '"':
                quoted = not quoted
            elif character == ":" and not quoted:
                return self.text[at + 1 :]
        return ""


def parse_card(body: bytes) -> list[Line]:
    """Return the lines of a card, with BEGIN and END; raises RecordError if malformed."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise RecordError("A contact is not UTF-8 text.") from None
    lines: list[Line] = []
    for raw in text.replace("\r\n", "\n").split("\n"):
        if raw[:1] in {" ", "\t"} and lines:
            lines[-1] = Line(lines[-1].name, lines[-1].text + raw[1:])
        elif raw:
            found = _NAME.match(raw)
            lines.append(Line(found[1].upper() if found else "", raw))
    if len(lines) < 2 or (lines[0].name, lines[-1].name) != ("BEGIN", "END"):
        raise RecordError("A contact is not a vCard from BEGIN:VCARD to END:VCARD.")
    return lines


def encode_card(lines: Iterable[Line]) -> bytes:
    """Return lines as a card, folded at 75 bytes."""
    return b"".join(_fold(line.text) for line in lines)


def split_cards(data: bytes) -> Iterator[bytes]:
    """Yield the bytes of each card in a `.vcf` file; raises RecordError if malformed."""
    card: list[bytes] = []
    for line in data.removeprefix(b"\xef\xbb\xbf").splitlines(keepends=True):
        if card or line.strip():
            card.append(line)
        if line.strip().upper() == b"END:VCARD":
            body = b"".join(card)
            if find(parse_card(body), "VERSION") == "2.1":
                raise RecordError("This file is vCard 2.1; export it as vCard 3.0 or 4.0.")
            yield body
            card = []
    if card:
        raise RecordError("The file ends in the middle of a contact.")


def find(lines: Sequence[Line], name: str) -> str:
    """Return the value of the first property with a name, or an empty text."""
    return next((line.value for line in lines if line.name == name), "")


def describe_contact(body: bytes) -> str:
    """Return a contact's display name."""
    try:
        lines = parse_card(body)
    except RecordError:
        return "a contact that cannot be read"
    return find(lines, "FN") or find(lines, "N") or find(lines, "UID") or "a contact without a name"


def is_same_person(one: bytes, other: bytes) -> bool:
    """Return whether two cards are the same contact.

    They are if their UIDs are equal, or their names are equal and they share a phone number, email
    or postal address.
    """
    try:
        first, second = parse_card(one), parse_card(other)
    except RecordError:
        return one == other
    uid = find(first, "UID")
    if uid and uid == find(second, "UID"):
        return True
    name = find(first, "FN").casefold()
    return (
        bool(name)
        and name == find(second, "FN").casefold()
        and bool(_addresses(first) & _addresses(second))
    )


def merge_cards(
    base: bytes | None, mine: bytes, theirs: bytes, *, mine_is_later: bool
) -> tuple[bytes, str]:
    """Merge two versions of a contact, given their common base version.

    Lines that either side added or removed are added or removed. If both sides changed a property
    that occurs once, the later version's value is kept. Also returns a list of the values that were
    replaced in a conflict, as text.
    """
    try:
        base_lines = parse_card(base) if base is not None else []
        my_lines, their_lines = parse_card(mine), parse_card(theirs)
    except RecordError:
        return mine if mine_is_later else theirs, "the whole contact"
    base_counts, my_counts = (
        Counter(line.text for line in lines) for lines in (base_lines, my_lines)
    )
    removed, added = base_counts - my_counts, my_counts - base_counts
    singles, lost = _choose_singles(base_lines, my_lines, their_lines, mine_is_later=mine_is_later)
    result: list[Line] = []
    for line in their_lines[:-1]:
        if line.name in singles:
            result += singles.pop(line.name)
        elif line.name in SINGLE:
            continue  # another line of a property that has been written already
        elif removed[line.text]:
            removed[line.text] -= 1
        else:
            result.append(line)
            added[line.text] -= 1
    for line in my_lines[1:-1]:
        if line.name in singles:
            _insert(result, singles.pop(line.name))
        elif line.name not in SINGLE and added[line.text] > 0:
            added[line.text] -= 1
            _insert(result, [line])
    body = encode_card([*result, their_lines[-1]])
    # If the result equals one side's card, keep that side's bytes with their folds and line ends.
    same = [x for x in (theirs, mine) if parse_card(x) == parse_card(body)]
    return same[0] if same else body, ", ".join(lost)


def make_card(contact: Contact, uid: str) -> bytes:
    """Return a phone's contact as a vCard 4.0."""
    lines = (
        "BEGIN:VCARD",
        "VERSION:4.0",
        f"UID:urn:hening:{uid}",
        f"FN:{_escape(contact.name)}",
        f"TEL;VALUE=text:{contact.number}",
        f"EMAIL:{contact.address}",
        "END:VCARD",
    )
    return b"".join(map(_fold, lines))


def _choose_singles(
    base_lines: Sequence[Line],
    my_lines: Sequence[Line],
    their_lines: Sequence[Line],
    *,
    mine_is_later: bool,
) -> tuple[dict[str, list[Line]], list[str]]:
    chosen: dict[str, list[Line]] = {}
    lost = []
    names = {line.name for line in (*my_lines, *their_lines)} & SINGLE
    for name in sorted(names):
        base, mine, theirs = (
            [x for x in lines if x.name == name] for lines in (base_lines, my_lines, their_lines)
        )
        if mine in (theirs, base):
            chosen[name] = theirs
        elif theirs == base:
            chosen[name] = mine
        else:
            winner, loser = (mine, theirs) if mine_is_later else (theirs, mine)
            chosen[name] = winner or loser
            if winner and loser and name not in _SILENT:
                lost.append(loser[0].text)
    return chosen, lost


def _insert(lines: list[Line], new: Sequence[Line]) -> None:
    """Insert lines after the last one of the same property, or at the end."""
    for line in new:
        at = [index for index, each in enumerate(lines) if each.name == line.name]
        lines.insert(at[-1] + 1 if at else len(lines), line)


def _addresses(lines: Sequence[Line]) -> set[str]:
    found = set()
    for line in lines:
        if line.name in _SHARED:
            value = line.value.removeprefix("tel:")
            found.add(_DIGITS.sub("", value) if line.name == "TEL" else value.casefold())
    return found - {""}


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace(",", "\\,").replace(";", "\\;").replace("\n", "\\n")


def _fold(text: str) -> bytes:
    """Return a line folded at 75 bytes, without splitting characters."""
    pieces, piece = [], b""
    for character in text:
        data = character.encode("utf-8", "surrogatepass")
        if len(piece) + len(data) > _FOLD:
            pieces.append(piece)
            piece = b" "
        piece += data
    return b"\r\n".join([*pieces, piece]) + b"\r\n"

"""A strategy that changes a valid pack in one to three places, as attackers or mistakes do."""

import base64
import hashlib
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from tests.pack_judges import check_judges, make_sound
from tests.server.core.content.samples import KINDS

#: Generated texts consist of these scripts, control characters, directions and links.
TEXTS = (
    *("", " ", "\n", "\t", "\x7f", "\u00ad", "\u034f", "\u061c", "\u115f", "\u180e", "\u200b"),
    *("\u200c", "\u200d", "\u200e", "\u202e", "\u2060", "\u2066", "\u2028", "\ufe0e", "\ufe0f"),
    *("\ufeff", "\uffa0", "\ufffe", "\ue000", "\ud800", "\U0001d173", "\U000e0001", "\U000e0067"),
    *("\U000e007f", "\U000e0100", "\U0001f3f4", "\U0001f468\u200d\U0001f469", "1\ufe0f\u20e3"),
    *("\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f", "\u2764\ufe0f"),
    *("\u0915\u094d\u200d\u0937", "\u0645\u06cc\u200c\u062e", "e\u0301", "\u212b", "<b>", "\uff1c"),
    *("http:", "HTTPS://a.b", "//a.b", "a://b", "www.a", "\uff57\uff57\uff57.a", "data:", "x:y"),
    *("\uff48ttp\uff1a//a", "java\u017fcript:", "\uff0f\uff0fa.b", "\u2488\uff0f/", "\uff1a//"),
    *("ID", "id", "*", "A/B", "/A", "../A", "A/../B", "A//B", ".", "..", "A/", "-", "510-10", "en"),
    *("2026-01-01", "2026-02-29", "2024-02-29", "0000-01-01", "9999-12-31", "2026-1-1", "ID-2026"),
    *("occasion/love", "occasion/new-year", "text/en/love/0", "text/id/new-year/01", "waves"),
    *("https://example.com/", "https://example.com/#", "https://example.com:1/", "CC0-1.0"),
    "tables",
    *("#000000", "#777777", "#FFFFFF", "110", "\u0661\u0662", "default", "none", "IP", "urgent"),
    *("\u043f.\u0440\u0444", "\u2764.ws", "1.2.3.4", "::1", "2026-01-05", "2026-01-06"),
)
NUMBERS = (-1, 0, 1, 2, 63, 64, 200, 4096, 4097, 65_535, 65_536, 2**53 - 1, 2**53, 10**30)
LENGTHS = (16, 17, 64, 65, 80, 81, 100, 101, 120, 121, 200, 201, 300, 301, 500, 501, 2001)

texts = st.sampled_from(TEXTS) | st.text(max_size=6)
values = (
    texts
    | st.sampled_from(NUMBERS)
    | st.sampled_from([None, True, False, 1.5])
    | st.builds(list)
    | st.builds(dict)
)


@st.composite
def changed_packs(draw, kind=None):
    """Draw a changed pack of `kind`, or of any kind if `kind` is None."""
    packs = make_sound(draw(st.sampled_from(KINDS)) if kind is None else kind)
    for _ in range(draw(st.sampled_from((1, 1, 2, 3)))):
        match draw(st.sampled_from(("entries", "entries", "octets", "octets", "members"))):
            case "octets" if packs.kind in {"ca", "zones", "wallpapers"}:
                _change_bytes(draw, packs)
            case "members":
                _change(draw, packs.members)
            case _:
                _change(draw, packs.entries)
    packs.members["withdrawn"] = []  # entries of withdrawn packs are not checked
    return packs


def _change(draw, document):
    places = list(_places_in(document))
    if not places:
        document[draw(texts)] = draw(values)
        return
    container, name = draw(st.sampled_from(places))
    item = container[name]
    match draw(st.sampled_from(("bend", "bend", "bend", "bend", "put", "drop", "add", "move"))):
        case "put":
            container[name] = draw(values)
        case "drop":
            del container[name]
        case "add" if isinstance(container, dict):
            container[draw(texts)] = draw(values)
        case "move" if isinstance(container, dict):
            container[draw(texts)] = container.pop(name)
        case "add" | "move":
            container.insert(draw(st.integers(0, len(container))), item)
        case _:
            container[name] = _bend(draw, item)


def _bend(draw, item):
    """Return a value that differs slightly from `item`."""
    match item:
        case bool():
            return not item
        case int():
            return item + draw(st.sampled_from((-1, 1)))
        case str() if draw(st.booleans()):
            at = draw(st.integers(0, len(item)))
            return item[:at] + draw(texts) + item[at + draw(st.integers(0, 1)) :]
        case str():
            return (item or "a").ljust(
                draw(st.sampled_from(LENGTHS)), draw(st.sampled_from("a€中😀1"))
            )
        case list() if draw(st.booleans()):
            return item[::-1]
        case list():
            return item * draw(st.sampled_from((2, 65, 201)))
        case dict():
            return {draw(texts): each for each in item.values()} | item
        case _:
            return draw(values)


def _change_bytes(draw, packs):
    """Change the bytes that an entry contains or names, and its description of them."""
    if packs.kind == "wallpapers":
        data = _changed(draw, packs.pictures["waves"])
        packs.pictures["waves"] = data
        entry = packs.entries.get("waves")
        if isinstance(entry, dict):
            entry |= {"length": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        return
    member = "der" if packs.kind == "ca" else "tzif"
    held = {
        key: entry
        for key, entry in packs.entries.items()
        if isinstance(entry, dict) and isinstance(entry.get(member), str)
    }
    for key, entry in held.items():
        try:
            data = _changed(draw, base64.b64decode(entry[member]))
        except ValueError:
            continue
        entry[member] = base64.b64encode(data).decode()
        if packs.kind == "ca":
            del packs.entries[key]
            packs.entries[hashlib.sha256(data).hexdigest()] = entry


def _changed(draw, data):
    at = draw(st.integers(0, len(data)))
    change = draw(st.integers(0, 4))
    if change == 4 and data[at : at + 1]:
        return data[:at] + bytes((data[at] ^ 1 << draw(st.integers(0, 7)),)) + data[at + 1 :]
    new = draw(
        st.sampled_from((b"", b"\0", b"\xff", b"\x01\x01\xff", b"\n")) | st.binary(max_size=4)
    )
    return data[:at] + new + data[at + change :]


def _places_in(value):
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for name, item in list(pairs):
        yield value, name
        if isinstance(item, dict | list):
            yield from _places_in(item)


@given(changed_packs())
def _check_any(packs):
    check_judges(packs)


#: Entry point for a fuzzer, whose bytes decide what is changed in which pack; raises as
#: `check_judges` does.
fuzz_packs: Callable[[bytes], object] = _check_any.hypothesis.fuzz_one_input

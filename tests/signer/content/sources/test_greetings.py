"""Greetings: our own texts in seven languages, with the days of their occasions."""

import itertools

import pytest

from signer.content.sources import greetings
from signer.content.sources.greetings import OUR_TEXTS, load_greetings
from signer.errors import SourceError
from tests.content_rules import check_pack

LANGUAGES = {"ar", "en", "es", "hi", "id", "ru", "zh"}
INDEX = """\
source: Ours
version: "1"
author: A
licence: CC0-1.0
occasions:
  day:
    named: [Christmas Day, Independence Day]
    countries: [DE, ID, US]
    like: {"*": DE}
    on: {GB: sunday 2 of 05, FR: "07-14", SE: sunday last of 05}
    without: [IE]
  any: {}
"""
TEXTS = """\
locale: en
messages:
  day/name: Day
  day: [A, {text: B, author: Somebody, licence: MIT}]
  any/name: Any
"""


@pytest.fixture(scope="module")
def built():
    """Build our greetings with the days of 2026 and 2027."""
    return load_greetings([2026, 2027])


def make(folder, index=INDEX, texts=TEXTS):
    """Write a folder of greetings."""
    (folder / "occasions.yaml").write_text(index)
    (folder / "en.yaml").write_text(texts)
    return folder


def days(built, occasion, place):
    """Return the days of an occasion at a place."""
    return built.entries[f"occasion/{occasion}"]["days"].get(place)


def test_our_texts(built) -> None:
    """Seventeen occasions have three texts in each of seven languages, in at most four SMS."""
    assert check_pack("greetings", built.entries) < 60_000
    assert set(built.completeness.locales) == LANGUAGES
    assert built.completeness.find_missing() == {}
    assert len(built.completeness.counts) == 17
    assert {
        number for of_key in built.completeness.counts.values() for number in of_key.values()
    } == {3}
    for key, entry in built.entries.items():
        if key.startswith("occasion/"):
            assert set(entry["name"]) == LANGUAGES
    texts = [entry["text"] for key, entry in built.entries.items() if key.startswith("text/")]
    assert len(texts) == len(set(texts)) == 7 * 17 * 3
    assert max(len(text.encode("utf-16-le")) // 2 for text in texts) <= 4 * 67
    ranges = {"ar": ("\u0600", "\u06ff"), "hi": ("\u0900", "\u097f"), "ru": ("\u0400", "\u04ff"),
              "zh": ("\u4e00", "\u9fff")}  # fmt: skip
    for key, entry in built.entries.items():
        if key.startswith("text/"):
            locale, letters = key.split("/")[1], [c for c in entry["text"] if c.isalpha()]
            low, high = ranges.get(locale, ("A", "\u017f"))
            assert all(low <= letter <= high for letter in letters), key
    for entry in (entry for key, entry in built.entries.items() if key.startswith("occasion/")):
        for of_place in entry["days"].values():
            assert of_place == sorted(set(of_place))
            assert len(of_place) <= 64


def test_days_of_occasions(built):
    """Days of some places, from printed calendars."""
    assert days(built, "eid-al-fitr", "ID") == ["2026-03-21", "2027-03-10"]
    assert days(built, "lunar-new-year", "CN")[0] == "2026-02-17"
    assert days(built, "lunar-new-year", "*") == ["2026-02-17", "2027-02-06"]
    assert days(built, "christmas", "*") == ["2026-12-25", "2027-12-25"]
    assert days(built, "christmas", "RU") == ["2026-01-07", "2027-01-07"]
    assert days(built, "easter", "*") == ["2026-04-05", "2027-03-28"]
    assert days(built, "easter", "RU") == ["2026-04-12", "2027-05-02"]
    assert days(built, "diwali", "*")[0] == "2026-11-08"
    assert days(built, "independence-day-id", "ID") == ["2026-08-17", "2027-08-17"]
    assert days(built, "independence-day-id", "*") is None
    assert days(built, "independence-day", "US") == ["2026-07-04", "2027-07-04"]
    assert days(built, "mothers-day", "*") == ["2026-05-10", "2027-05-09"]
    assert days(built, "mothers-day", "ID") == ["2026-12-22", "2027-12-22"]
    # Easter is on 5 April 2026 and 28 March 2027; the fourth Sunday of Lent is 21 days before.
    assert days(built, "mothers-day", "GB") == ["2026-03-15", "2027-03-07"]
    assert days(built, "mothers-day", "IE") == ["2026-03-15", "2027-03-07"]
    assert built.entries["occasion/birthday"]["days"] == {}


def test_rules_of_occasions(tmp_path) -> None:
    """Days come from holidays, other countries or rules; long texts are counted."""
    built = load_greetings([2026], make(tmp_path))
    assert built.entries["occasion/day"]["days"] == {
        "*": ["2026-12-25"],
        "DE": ["2026-12-25"],
        "FR": ["2026-07-14"],
        "GB": ["2026-05-10"],
        "ID": ["2026-08-17", "2026-12-25"],
        "IE": [],
        "SE": ["2026-05-31"],
        "US": ["2026-07-04", "2026-12-25"],
    }
    assert built.entries["text/en/day/2"] == {"author": "Somebody", "licence": "MIT", "text": "B"}
    assert built.entries["text/en/day/1"] == {"author": "A", "licence": "CC0-1.0", "text": "A"}
    assert built.completeness.find_missing() == {"en": ["any"]}
    assert [source["name"] for source in built.sources] == ["Ours", "holidays"]
    texts = TEXTS.replace("[A,", f"[{'a' * 161}, {'b' * 306}, {'c' * 307}, {'d' * 160},")
    built = load_greetings([2026], make(tmp_path, texts=texts))
    assert built.notes == ("Texts that take 2 SMS: 2", "Texts that take 3 SMS: 1")


@pytest.mark.parametrize(
    ("index", "texts", "words"),
    [
        (INDEX, TEXTS + "  other: X\n", "en.yaml, line 6: .* no occasion other"),
        (INDEX, TEXTS.replace("text: B", f"text: {'a' * 460} \u2026"),
         "en.yaml, line 4: the text takes 7 SMS, and 4 are allowed"),
        (INDEX, TEXTS.replace("[A,", f"[{'a' * 501},"), "line 4: a text has 501 characters"),
        (INDEX, TEXTS.replace("name: Day", f"name: {'a' * 81}"), "line 3: a text has 81 char"),
        (INDEX, TEXTS.replace("[A,", "[t.me/x,"), "line 4: a text holds 't.me'"),
        (INDEX, TEXTS + "  day/title: X\n", "line 6: .* no occasion day/title"),
        (INDEX, TEXTS.replace("  any/name: Any\n", ""), "line 12: any has no name in en"),
        (INDEX + "  Big: {}\n", TEXTS + "  Big/name: X\n", "line 13: 'Big' is not a name"),
        (INDEX.replace("Christmas Day, Independence Day", "Nobody's Day"), TEXTS,
         "line 7: no country has a holiday"),
        (INDEX.replace('"*": DE', '"*": XX'), TEXTS, "line 9: XX has no such holiday"),
        (INDEX.replace('"07-14"', '"07-32"'), TEXTS, "line 10: '07-32' is not a day"),
        (INDEX.replace("sunday 2 of 05", "someday"), TEXTS, "line 10: 'someday' is not a day"),
        (INDEX.replace("sunday 2 of 05", "9 days before Eve"), TEXTS,
         "line 10: there is no holiday 'Eve' in 2026"),
    ],
)  # fmt: skip
def test_invalid_index_or_texts(tmp_path, monkeypatch, index, texts, words):
    """The message names file and line."""
    countries = ["DE", "ID", "US"]
    monkeypatch.setattr(greetings, "list_supported_countries", lambda **_: countries)
    with pytest.raises(SourceError, match=words):
        load_greetings([2026], make(tmp_path, index, texts))


def test_missing_or_duplicate_name(tmp_path, monkeypatch):
    """Each language names each of its occasions once."""
    monkeypatch.setattr(greetings, "list_supported_countries", lambda **_: ["DE", "ID", "US"])
    folder = make(tmp_path)
    (folder / "id.yaml").write_text("locale: id\nmessages:\n  day: X\n")
    with pytest.raises(SourceError, match=r"id.yaml, line 3: day has no name in id"):
        load_greetings([2026], folder)
    (folder / "id.yaml").write_text("locale: en\nmessages:\n  day/name: X\n")
    with pytest.raises(SourceError, match=r"id.yaml, line 3: day has another name already"):
        load_greetings([2026], folder)


def test_our_texts_repeat_no_word():
    """No word occurs twice in a row."""
    for path in sorted(OUR_TEXTS.glob("*.yaml")):
        for line in path.read_text().splitlines():
            words = line.strip(" -").split()
            assert all(a != b for a, b in itertools.pairwise(words)), line

"""Preset greetings: occasions with their days, and texts in many languages.

A folder has `occasions.yaml` and messages in YAML, CSV or PO: `OCCASION/name` is what people call
the occasion, `OCCASION` a text for it, of which there may be several.
"""

import re
from collections import Counter
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

from server.core.content.sms import count_segments
from signer.content.sources import holidays
from signer.content.sources.built import Built, name_source
from signer.content.sources.checked import check_greeting, check_words
from signer.content.sources.completeness import Completeness
from signer.content.sources.errors import SourceError
from signer.content.sources.message import Message
from signer.content.sources.messages import count_messages, read_messages
from signer.content.sources.occasion_days import days_of, load_calendar
from signer.content.sources.yaml_file import read_yaml

INDEX = "occasions.yaml"
OUR_TEXTS = Path(__file__).parents[1] / "texts" / "greetings"
HOLIDAYS = name_source(holidays.NAME, version(holidays.NAME), holidays.LICENCE)
OCCASION = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")


def load_greetings(years: Iterable[int], folder: Path = OUR_TEXTS) -> Built:
    """Build the kind `greetings` from a folder, ours if none is given, with the days of `years`.

    The index has `source`, `version`, `licence`, `author`, and `occasions`: name to the rules of
    `days_of`. SourceError names file and line: for a text of an occasion that the index lacks, an
    occasion without a name in English, a language with texts for an occasion and no name of it.
    """
    wanted_years = sorted(set(years))
    head = {"author", "licence", "occasions", "source", "version"}
    index = read_yaml(folder / INDEX).members(head, ())
    occasions = index["occasions"].mapping()
    names: dict[str, dict[str, str]] = {occasion: {} for occasion in occasions}
    texts: list[Message] = []
    for message in read_messages(folder, but=INDEX):
        occasion, _, rest = message.key.partition("/")
        if occasion not in occasions or rest not in {"", "name"}:
            raise SourceError(f"{message.where}: {INDEX} has no occasion {message.key}.")
        if not rest:
            check_greeting(message.text, message.where)
            texts.append(message)
            continue
        check_words(message.text, message.where, 80)
        if names[occasion].setdefault(message.locale, message.text) != message.text:
            raise SourceError(f"{message.where}: {occasion} has another name before.")
    calendar = load_calendar(wanted_years)
    entries: dict[str, object] = {}
    for occasion, marked in sorted(occasions.items()):
        if OCCASION.fullmatch(occasion) is None:
            raise marked.error(f"{occasion!r} is no name: small letters, digits and hyphens")
        if "en" not in names[occasion]:
            raise marked.error(f"{occasion} has no name in en")
        entries[f"occasion/{occasion}"] = {
            "days": days_of(marked, calendar, wanted_years),
            "name": dict(sorted(names[occasion].items())),
        }
    author, licence = (index[each].text() for each in ("author", "licence"))
    entries |= _number(texts, names, author, licence)
    counts = count_messages(texts)
    return Built(
        dict(sorted(entries.items())),
        [
            name_source(index["source"].text(), index["version"].text(), licence),
            HOLIDAYS,
        ],
        notes=_count_segments(texts),
        completeness=Completeness({occasion: counts.get(occasion, {}) for occasion in occasions}),
    )


def _count_segments(texts: Iterable[Message]) -> tuple[str, ...]:
    """Say how many SMS the texts take that take more than one."""
    counts = Counter(count_segments(message.text) for message in texts)
    return tuple(
        f"Texts that take {segments} SMS: {counts[segments]}"
        for segments in sorted(counts.keys() - {1})
    )


def _number(
    texts: Iterable[Message], names: dict[str, dict[str, str]], author: str, licence: str
) -> dict[str, object]:
    """Return the entries of texts, numbered from 1 for each occasion and language."""
    entries: dict[str, object] = {}
    for message in texts:
        if message.locale not in names[message.key]:
            raise SourceError(f"{message.where}: {message.key} has no name in {message.locale}.")
        prefix, number = f"text/{message.locale}/{message.key}/", 1
        while f"{prefix}{number}" in entries:
            number += 1
        entries[f"{prefix}{number}"] = {
            "author": message.author or author,
            "licence": message.licence or licence,
            "text": message.text,
        }
    return entries

"""Builds notices and features from a folder: an index lists them, other files have the texts."""

import datetime as dt
import json
from collections.abc import Mapping
from pathlib import Path
from typing import get_args

from server.core.content.news import KEY, Severity
from signer.content.sources.build_result import BuildResult, name_source
from signer.content.sources.translations import (
    Completeness,
    Marked,
    check_words,
    count_messages,
    read_messages,
    read_yaml,
)
from signer.durable import replace_file
from signer.errors import SourceError

INDEX = "index.yaml"
SEVERITIES = get_args(Severity)
PARTS = ("title", "body")
LIMITS = {"title": 120, "body": 2000}


def load_news(folder: Path, noun: str) -> BuildResult:
    """Build entries from `folder/index.yaml` and messages with the keys `ID/title` and `ID/body`.

    `noun` names an entry in messages: `notice` or `feature`.

    The index has `source`, `version`, `licence` and `entries`: id to `severity`, `published` and,
    optionally, `end`, `link`, `models`. Raises SourceError, with file and line, for a text of an id
    that the index lacks, for a title without a body, and for an entry without English.
    """
    index = read_yaml(folder / INDEX).members({"entries", "licence", "source", "version"}, ())
    messages = read_messages(folder, except_file=INDEX)
    marked = index["entries"].mapping()
    texts: dict[str, dict[str, dict[str, str]]] = {name: {} for name in marked}
    for message in messages:
        name, _, part = message.key.partition("/")
        if name not in marked or part not in PARTS:
            raise SourceError(
                f"{message.where}: {message.key} is neither the title nor the body of a {noun}"
                f" in {INDEX}."
            )
        check_words(message.text, message.where, LIMITS[part], lines=part == "body")
        of_part = texts[name].setdefault(part, {})
        if message.locale in of_part:
            raise SourceError(f"{message.where}: {message.key} is given twice.")
        of_part[message.locale] = message.text
    entries = {name: _entry_of(name, marked[name], texts[name]) for name in sorted(marked)}
    source = name_source(*(index[each].text() for each in ("source", "version", "licence")))
    counts = count_messages(messages)
    # An entry counts as present in a locale that has its title, which implies its body.
    completeness = Completeness({name: counts.get(f"{name}/title", {}) for name in marked})
    return BuildResult(dict(entries), [source], completeness=completeness)


def _entry_of(name: str, marked: Marked, texts: dict[str, dict[str, str]]) -> dict[str, object]:
    members = marked.members({"published", "severity"}, {"end", "link", "models"})
    if KEY.fullmatch(name) is None:
        raise marked.error(f"{name!r} is not an id of small letters, digits and hyphens")
    severity = members["severity"].text()
    if severity not in SEVERITIES:
        raise members["severity"].error(f"{severity!r} is not one of {', '.join(SEVERITIES)}")
    titles, bodies = (texts.get(part, {}) for part in PARTS)
    if uneven := sorted(titles.keys() ^ bodies.keys()):
        raise marked.error(f"{name} has only a title or only a body in {', '.join(uneven)}")
    if "en" not in titles:
        raise marked.error(f"{name} has no title and body in en")
    entry: dict[str, object] = {"body": bodies, "severity": severity, "title": titles}
    for key in ("published", "end"):
        if key in members:
            entry[key] = _day_of(members[key])
    if "end" in entry and str(entry["end"]) <= str(entry["published"]):
        raise members["end"].error(
            f"{name} ends before it is shown: `end` is the first day on which it is not shown"
        )
    if "link" in members:
        entry["link"] = members["link"].text()
    if "models" in members:
        entry["models"] = [each.text() for each in members["models"].sequence()]
    return entry


def _day_of(marked: Marked) -> str:
    try:
        return str(dt.date.fromisoformat(marked.text()))
    except ValueError:
        raise marked.error(f"{marked.text()!r} is not a day such as 2026-01-31") from None


def add_notice(
    folder: Path,
    key: str,
    members: Mapping[str, str],
    texts: Mapping[str, tuple[str, str]],
    source: Mapping[str, str],
) -> list[Path]:
    """Add a notice to the index, and its title and body to LOCALE.yaml; return these files.

    Lines are added at the end, so comments stay. `members` are written as YAML, and `source` heads
    a new index. If the folder could not be built afterwards, raises SourceError and leaves every
    file as it was.
    """
    added = {INDEX: [f"  {key}:", *(f"    {name}: {value}" for name, value in members.items())]}
    heads = {INDEX: [*(f"{name}: {json.dumps(text)}" for name, text in source.items()), "entries:"]}
    for locale, pair in texts.items():
        # A text in JSON is also valid YAML.
        lines = zip(PARTS, (json.dumps(text, ensure_ascii=False) for text in pair), strict=True)
        added[f"{locale}.yaml"] = [f"  {key}/{part}: {text}" for part, text in lines]
        heads[f"{locale}.yaml"] = [f"locale: {locale}", "messages:"]
    folder.mkdir(parents=True, exist_ok=True)
    paths = {folder / name: name for name in added}
    before = {path: path.read_bytes() if path.exists() else b"" for path in paths}
    try:
        for path, name in paths.items():
            text = before[path] or "\n".join(heads[name]).encode()
            replace_file(path, text.rstrip() + "\n".join(["", *added[name], ""]).encode())
        load_news(folder, "notice")
    except SourceError:
        for path, data in before.items():
            replace_file(path, data)
            if not data:
                path.unlink()
        raise
    return list(paths)

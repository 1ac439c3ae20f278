"""Reads translators' texts (YAML, CSV, PO), each with its line number for error messages."""

import csv
import io
import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import polib
import yaml

from server.core.content.greetings import MAX_SEGMENTS, count_segments
from server.core.content.text import check_text
from server.core.errors import FormatError
from server.core.names import is_locale
from signer.errors import SourceError


@dataclass(frozen=True, slots=True)
class Message:
    """A text by its key and locale; `where` is `FILE, line N`.

    Author and licence are empty if those of the whole folder apply.
    """

    key: str
    locale: str
    text: str
    where: str
    author: str = ""
    licence: str = ""


def make_message(
    key: str, locale: str, text: str, where: str, *, author: str = "", licence: str = ""
) -> Message:
    """Return a message, in form NFC and without spaces around it.

    Raises SourceError if it has no key or no valid locale.
    """
    if not key.strip():
        raise SourceError(f"{where}: the message has no key.")
    if not is_locale(locale):
        raise SourceError(f"{where}: {locale!r} is not a language such as id or zh-TW.")
    clean = unicodedata.normalize("NFC", text.replace("\r\n", "\n")).strip()
    return Message(key.strip(), locale, clean, where, author, licence)


def read_csv(path: Path) -> Iterator[Message]:
    """Yield the messages of a table in UTF-8 whose head is `key,LOCALE…`; empty cells are skipped.

    A key may be in several rows. Raises SourceError, with the line, for another head or width.
    """
    try:
        reader = csv.reader(io.StringIO(path.read_text("utf-8-sig"), newline=""), strict=True)
        head = next(reader, [])
        if len(head) < 2 or head[0] != "key" or len(set(head)) != len(head):
            raise SourceError(f"{path}, line 1: the head must be `key` and a locale per column.")
        for row in reader:
            where = f"{path}, line {reader.line_num}"
            if len(row) != len(head):
                raise SourceError(f"{where}: {len(row)} cells, and the head has {len(head)}.")
            for locale, text in zip(head[1:], row[1:], strict=True):
                if text.strip():
                    yield make_message(row[0], locale, text, where)
    except csv.Error as error:
        raise SourceError(f"{path}, line {reader.line_num}: not CSV: {error}.") from error
    except UnicodeDecodeError as error:
        raise SourceError(f"{path} is not in UTF-8: {error}.") from error


LINE = re.compile(r"\(line (\d+)\)")


def read_po(path: Path) -> Iterator[Message]:
    """Yield the translations of a PO file in UTF-8; fuzzy, obsolete and empty ones are skipped.

    Raises SourceError, with the line, for a syntax error, a plural or a message without a context.
    """
    try:
        # polib would read a text that is a file's name from that file; the line feed prevents it.
        file = polib.pofile(path.read_text("utf-8-sig") + "\n")
    except UnicodeDecodeError as error:
        raise SourceError(f"{path} is not in UTF-8: {error}.") from error
    except (OSError, ValueError) as error:  # polib's syntax errors are OSError
        line = LINE.search(str(error))
        raise SourceError(f"{path}, line {line[1] if line else '1'}: not PO: {error}.") from error
    locale = file.metadata.get("Language", "").replace("_", "-")
    for entry in file:
        where = f"{path}, line {entry.linenum}"
        if entry.obsolete or entry.fuzzy:
            continue
        if entry.msgid_plural:
            raise SourceError(f"{where}: a pack has no plurals; write two messages.")
        if not entry.msgctxt:
            raise SourceError(f"{where}: the message has no context (msgctxt), which is its key.")
        if entry.msgstr.strip():
            yield make_message(entry.msgctxt, locale, entry.msgstr, where)


@dataclass(frozen=True, slots=True)
class Marked:
    """A text, a sequence or a mapping; `where` is `FILE, line N`."""

    value: "str | list[Marked] | dict[str, Marked]"
    where: str

    def text(self) -> str:
        """Return the text; raises SourceError if this is not a text, or empty."""
        if not isinstance(self.value, str) or not self.value.strip():
            raise self.error("a text is expected here")
        return self.value

    def sequence(self) -> "list[Marked]":
        """Return the elements; raises SourceError if this is not a sequence."""
        if not isinstance(self.value, list):
            raise self.error("a list is expected here")
        return self.value

    def mapping(self) -> "dict[str, Marked]":
        """Return the members; raises SourceError if this is not a mapping."""
        if not isinstance(self.value, dict):
            raise self.error("a mapping is expected here")
        return self.value

    def members(self, needed: Collection[str], optional: Collection[str]) -> "dict[str, Marked]":
        """Return the members; raises SourceError unless all of `needed` and no unknown ones exist.

        Members in `optional` may be absent.
        """
        found = self.mapping()
        if missing := sorted(set(needed) - found.keys()):
            raise self.error(f"{', '.join(missing)} is missing")
        if unknown := sorted(found.keys() - set(needed) - set(optional)):
            raise found[unknown[0]].error(f"{', '.join(unknown)} has no meaning here")
        return found

    def error(self, rule: str) -> SourceError:
        """Return an error that names this place."""
        return SourceError(f"{self.where}: {rule}.")


MAX_BYTES = 1024 * 1024
TAGS = frozenset(f"tag:yaml.org,2002:{name}" for name in ("map", "seq", "str"))


def read_yaml(path: Path) -> Marked:
    """Return the content of a YAML file; raises SourceError if it is invalid or above 1 MiB."""
    data = path.read_bytes()
    if len(data) > MAX_BYTES:
        raise SourceError(f"{path} has more than {MAX_BYTES} bytes; split it.")
    try:
        node = yaml.compose(data.decode("utf-8-sig"), Loader=yaml.BaseLoader)
        if node is None:
            raise SourceError(f"{path} is empty.")
        return _mark(node, str(path), set())
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise SourceError(f"{path}, line {line}: not YAML: {error.problem}.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SourceError(f"{path} is not YAML in UTF-8: {error}.") from error
    except RecursionError:
        raise SourceError(f"{path} is nested too deeply.") from None


def _mark(node: yaml.Node, path: str, seen: set[int]) -> Marked:
    where = f"{path}, line {node.start_mark.line + 1}"
    if id(node) in seen:
        raise SourceError(f"{where}: an alias leads here; write it out.")
    seen.add(id(node))
    if node.tag not in TAGS:
        raise SourceError(f"{where}: the tag {node.tag} is not allowed.")
    if isinstance(node, yaml.SequenceNode):
        return Marked([_mark(each, path, seen) for each in node.value], where)
    if isinstance(node, yaml.MappingNode):
        members: dict[str, Marked] = {}
        for key, value in node.value:
            name = _mark(key, path, seen).text()
            if name in members:
                raise SourceError(f"{path}, line {key.start_mark.line + 1}: {name} is given twice.")
            members[name] = _mark(value, path, seen)
        return Marked(members, where)
    return Marked(str(node.value), where)


def read_messages(folder: Path, *, except_file: str) -> list[Message]:
    """Return the messages of a folder's files, sorted by file name, without the file `except_file`.

    A YAML file has the members `locale` and `messages`: key to text, or to a list of texts, each of
    which may be `{text:, author:, licence:}`. Files other than *.yaml, *.csv and *.po are ignored.
    Raises SourceError as `read_yaml`, `read_csv` and `read_po` do.
    """
    return [
        message
        for path in sorted(folder.iterdir())
        if path.suffix in READERS and path.name != except_file
        for message in READERS[path.suffix](path)
    ]


def count_messages(messages: Iterable[Message]) -> Mapping[str, Mapping[str, int]]:
    """Return the number of messages by key and locale."""
    counts: dict[str, dict[str, int]] = {}
    for message in messages:
        of_key = counts.setdefault(message.key, {})
        of_key[message.locale] = of_key.get(message.locale, 0) + 1
    return counts


def _read_yaml_messages(path: Path) -> Iterator[Message]:
    members = read_yaml(path).members({"locale", "messages"}, ())
    locale = members["locale"].text()
    for key, value in members["messages"].mapping().items():
        for each in value.value if isinstance(value.value, list) else [value]:
            if not isinstance(each.value, dict):
                yield make_message(key, locale, each.text(), each.where)
                continue
            words = each.members({"text"}, {"author", "licence"})
            others = {name: words[name].text() for name in ("author", "licence") if name in words}
            yield make_message(key, locale, words["text"].text(), each.where, **others)


READERS: Mapping[str, Callable[[Path], Iterator[Message]]] = {
    ".csv": read_csv,
    ".po": read_po,
    ".yaml": _read_yaml_messages,
}


@dataclass(frozen=True, slots=True)
class Completeness:
    """The number of texts of each key in each locale.

    `counts` maps a key, such as an occasion or the id of a notice, to numbers by locale; a locale
    that lacks the key is absent.
    """

    counts: Mapping[str, Mapping[str, int]]

    @property
    def locales(self) -> list[str]:
        """All locales that have a text of any key, ascending."""
        return sorted({locale for each in self.counts.values() for locale in each})

    def find_missing(self) -> dict[str, list[str]]:
        """Return the sorted keys that each locale lacks, for locales that lack any."""
        missing = {
            locale: [key for key in sorted(self.counts) if not self.counts[key].get(locale)]
            for locale in self.locales
        }
        return {locale: keys for locale, keys in missing.items() if keys}

    def rows(self) -> list[list[str]]:
        """Return a table for people: a head with the locales, then a row for each key."""
        locales = self.locales
        body = [
            [key, *(str(self.counts[key].get(locale) or "-") for locale in locales)]
            for key in sorted(self.counts)
        ]
        return [["", *locales], *body]


def check_words(text: str, where: str, limit: int, *, lines: bool = False) -> str:
    """Return `text`; raises SourceError, with `where`, if it is invalid or longer than `limit`."""
    try:
        check_text(text, limit, lines=lines)
    except FormatError as error:
        raise SourceError(f"{where}: {str(error).rstrip('.')}.") from error
    return text


def check_greeting(text: str, where: str) -> None:
    """Raise SourceError for a greeting text that breaks a rule or needs too many SMS."""
    check_words(text, where, 500, lines=True)
    if (segments := count_segments(text)) > MAX_SEGMENTS:
        raise SourceError(
            f"{where}: the text takes {segments} SMS, and {MAX_SEGMENTS} are allowed."
        )

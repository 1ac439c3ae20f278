"""Reads all messages of a folder, from YAML, CSV and PO."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from signer.content.sources.csv_file import read_csv
from signer.content.sources.message import Message, make_message
from signer.content.sources.po_file import read_po
from signer.content.sources.yaml_file import read_yaml


def read_messages(folder: Path, *, but: str) -> list[Message]:
    """Return the messages of the files of a folder, by file name; `but` is a file of another kind.

    A YAML file has the members `locale` and `messages`: key to text, or to a list of texts, each
    of which may be `{text:, author:, licence:}`. Other names than *.yaml, *.csv and *.po are not
    looked at. SourceError as `read_yaml`, `read_csv` and `read_po`.
    """
    return [
        message
        for path in sorted(folder.iterdir())
        if path.suffix in READERS and path.name != but
        for message in READERS[path.suffix](path)
    ]


def count_messages(messages: Iterable[Message]) -> Mapping[str, Mapping[str, int]]:
    """Return how many messages each key has in each locale."""
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

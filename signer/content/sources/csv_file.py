"""Reads a translator's table: a column with keys, and one for each locale."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from signer.content.sources.errors import SourceError
from signer.content.sources.message import Message, make_message


def read_csv(path: Path) -> Iterator[Message]:
    """Yield the messages of a table in UTF-8 whose head is `key,LOCALE…`; empty cells are none.

    A key may be in several rows. SourceError, with the line, for another head or width.
    """
    try:
        reader = csv.reader(io.StringIO(path.read_text("utf-8-sig"), newline=""), strict=True)
        head = next(reader, [])
        if len(head) < 2 or head[0] != "key" or len(set(head)) != len(head):
            raise SourceError(f"{path}, line 1: the head must be `key` and then a locale a column.")
        for row in reader:
            where = f"{path}, line {reader.line_num}"
            if len(row) != len(head):
                raise SourceError(f"{where}: {len(row)} cells, and the head has {len(head)}.")
            for locale, text in zip(head[1:], row[1:], strict=True):
                if text.strip():
                    yield make_message(row[0], locale, text, where)
    except csv.Error as error:
        raise SourceError(f"{path}, line {reader.line_num}: no CSV: {error}.") from error
    except UnicodeDecodeError as error:
        raise SourceError(f"{path} is not in UTF-8: {error}.") from error

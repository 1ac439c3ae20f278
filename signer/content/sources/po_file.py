"""Reads gettext's PO: the context is the key, the header says the language."""

import re
from collections.abc import Iterator
from pathlib import Path

import polib

from signer.content.sources.errors import SourceError
from signer.content.sources.message import Message, make_message

LINE = re.compile(r"\(line (\d+)\)")


def read_po(path: Path) -> Iterator[Message]:
    """Yield the translations of a PO file in UTF-8; fuzzy, obsolete and empty ones are none.

    SourceError, with the line, for a syntax error, a plural or a message without a context.
    """
    try:
        # With a line feed behind it no text is the name of a file, which polib would read instead.
        file = polib.pofile(path.read_text("utf-8-sig") + "\n")
    except UnicodeDecodeError as error:
        raise SourceError(f"{path} is not in UTF-8: {error}.") from error
    except (OSError, ValueError) as error:  # polib's syntax errors are OSError
        line = LINE.search(str(error))
        raise SourceError(f"{path}, line {line[1] if line else '1'}: no PO: {error}.") from error
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

"""Translation files with arbitrary bytes give messages, or one error with the place."""

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from signer.content.sources.translations import READERS
from signer.errors import SourceError

GOOD = {
    ".csv": b'key,en,id\na/title,"Hello, ""you""",Halo\n"a/body","x\ny",\n',
    ".po": b"""msgid ""
msgstr ""
"Language: id\\n"
"Content-Type: text/plain; charset=UTF-8\\n"

#: a.c:1
#, fuzzy
msgctxt "a/title"
msgid "A"
msgstr "B"

msgctxt "b"
msgid "x"
msgstr "C"

#~ msgctxt "c"
#~ msgid "E"
#~ msgstr "F"
""",
    ".yaml": b"""locale: en
messages:
  a/name: New
  a: [A, {text: B, author: C, licence: MIT}]
  b: |-
    x
    y
""",
}
MESSAGES = {
    ".csv": [("a/title", "en"), ("a/title", "id"), ("a/body", "en")],
    ".po": [("b", "id")],
    ".yaml": [("a/name", "en"), ("a", "en"), ("a", "en"), ("b", "en")],
}
#: Tokens of the three grammars, and invalid UTF-8.
PIECES = [
    *(b'"', b"\n", b"\r", b"\0", b"\\", b"\xff", b"\xc3", b",", b":", b"\t", b"\x1a", b"\x85"),
    *(b"\xef\xbb\xbf", b"\xe2\x80\xa8", b"\xed\xa0\x80", b"\\x", b"\\777", b"key,", b"en,"),
    *(b"msgid ", b'msgstr "', b'msgstr[9] "x"', b'msgstr[-1] "', b"#~ ", b"#| ", b"#, ", b"#: "),
    *(b'msgctxt "', b'msgid_plural "', b'"Language: x_y\\n"', b"charset=utf-7", b"&a ", b"*a"),
    *(b"!!int ", b"!!python/object:os.system ", b"? ", b"- ", b"{", b"[", b"]", b"<<: "),
    b"%YAML 9",
    *(b"---\n", b"...\n", b"[" * 3_000, b"x" * 140_000),
]


@st.composite
def files(draw):
    """Draw a kind of file, and changed bytes of a valid one, or arbitrary bytes."""
    suffix = draw(st.sampled_from(sorted(GOOD)))
    data = draw(st.sampled_from([GOOD[suffix], GOOD[suffix], b""]))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(data)))
        new = draw(st.sampled_from(PIECES) | st.binary(max_size=8))
        data = data[:at] + new + data[at + draw(st.integers(0, 2)) :]
    return suffix, data


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Make a folder for files that replace each other."""
    return tmp_path_factory.mktemp("sources")


@pytest.mark.parametrize("suffix", GOOD)
def test_valid_files(folder, suffix):
    """The unchanged files are valid."""
    path = folder / f"file{suffix}"
    path.write_bytes(GOOD[suffix])
    assert [(each.key, each.locale) for each in READERS[suffix](path)] == MESSAGES[suffix]


def read(path):
    """Return the messages of a file, or none and the error."""
    try:
        return list(READERS[path.suffix](path)), None
    except SourceError as error:
        return [], str(error)


@settings(max_examples=150)
@given(files())
@example((".po", b"\xff\xfe"))
@example((".csv", b"key,en\na,\0\n"))
@example((".csv", b"key,en\n\0,a\n"))
@example((".po", b'msgid ""\nmsgstr "Language: en\\n"\nmsgctxt "\\0"\nmsgid "a"\nmsgstr "b"\n'))
@example((".csv", b"key,en\n ,a\n"))
@example((".yaml", b"locale: en\nmessages: {'': a}\n"))
@example((".yaml", b""))
def test_arbitrary_files(folder, file):
    """The error begins with the file's name."""
    suffix, data = file
    path = folder / f"file{suffix}"
    path.write_bytes(data)
    messages, complaint = read(path)
    assert complaint is None or complaint.startswith(str(path))
    for each in messages:
        assert re.fullmatch(rf"{re.escape(str(path))}, line [0-9]+", each.where)
        assert each.key == each.key.strip() != ""
        assert each.text == each.text.strip() != ""

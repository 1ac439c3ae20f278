"""Texts from YAML, CSV and PO: the same messages, and errors that name file and line."""

import pytest

from signer.content.sources.translations import (
    Completeness,
    count_messages,
    read_messages,
    read_yaml,
)
from signer.errors import SourceError
from tests.cases import case

YAML = """\
locale: id
messages:
  hello: ["Halo", {text: "Apa kabar?", author: A, licence: CC0-1.0}]
  hello/name: Sapaan
"""
CSV = 'key,id,zh-TW\nhello,Halo,\nhello,"Apa\nkabar?",您好\nhello/name,Sapaan,問候\n'
PO = """\
msgid ""
msgstr ""
"Language: zh_TW\\n"
"Content-Type: text/plain; charset=UTF-8\\n"

msgctxt "hello"
msgid "Hello"
msgstr "您好"

#, fuzzy
msgctxt "hello"
msgid "How are you?"
msgstr "好"

msgctxt "hello/name"
msgid "A greeting"
msgstr ""
"問"
"候"

msgctxt "bye"
msgid "Bye"
msgstr ""
"""


def read(folder, **files):
    """Write files, named NAME_SUFFIX, and read them all."""
    for name, text in files.items():
        stem, _, suffix = name.rpartition("_")
        (folder / f"{stem}.{suffix}").write_text(text)
    return read_messages(folder, except_file="index.yaml")


def test_same_messages_in_three_formats(tmp_path) -> None:
    """A translator can use an editor, a table or gettext's tools."""
    found = read(tmp_path, a_yaml=YAML, b_csv=CSV, c_po=PO, index_yaml="- no messages")
    assert [(each.locale, each.key, each.text) for each in found] == [
        ("id", "hello", "Halo"),
        ("id", "hello", "Apa kabar?"),
        ("id", "hello/name", "Sapaan"),
        ("id", "hello", "Halo"),
        ("id", "hello", "Apa\nkabar?"),
        ("zh-TW", "hello", "您好"),
        ("id", "hello/name", "Sapaan"),
        ("zh-TW", "hello/name", "問候"),
        ("zh-TW", "hello", "您好"),
        ("zh-TW", "hello/name", "問候"),
    ]
    assert [(each.author, each.licence) for each in found[:2]] == [("", ""), ("A", "CC0-1.0")]
    assert found[1].where == f"{tmp_path}/a.yaml, line 3"
    assert found[5].where == f"{tmp_path}/b.csv, line 4"


def test_texts_are_normalised(tmp_path) -> None:
    """Texts are in form NFC and stripped; YAML values are text, and polib opens no path."""
    [found] = read(tmp_path, a_csv="key,es\nhola,  Sen\u0303or \n")
    assert found.text == "Se\u00f1or"
    (tmp_path / "a.yaml").write_text("no: [2026-01-01, on, 0x10, ~]")
    found = read_yaml(tmp_path / "a.yaml").mapping()["no"].sequence()
    assert [each.value for each in found] == ["2026-01-01", "on", "0x10", "~"]
    (tmp_path / "other").write_text(PO)
    (tmp_path / "a.po").write_text(str(tmp_path / "other"))
    with pytest.raises(SourceError, match="not PO"):
        read_messages(tmp_path, except_file="")


def test_error_names_file_and_line(tmp_path):
    """Each error begins with the file and has the line."""
    for name, text, words in (
        ("a.yaml", "a: [", "line 1: not YAML"),
        ("a.yaml", "", "is empty"),
        ("a.yaml", "a: 1\na: 2", "line 2: a is given twice"),
        ("a.yaml", "a: &x [1]\nb: *x", "line 1: an alias leads here"),
        ("a.yaml", "a: !!python/object:os.system x", "tag .* is not allowed"),
        ("a.yaml", "[" * 1000, "nested too deeply|not YAML"),
        ("a.yaml", "a: \x07", "not YAML"),
        ("a.yaml", "x" * 1_100_000, "more than 1048576 bytes"),
        ("a.yaml", "locale: id", "line 1: messages is missing"),
        ("a.yaml", "locale: id\nmessages: {}\nlanguage: id", "line 3: language has no meaning"),
        ("a.yaml", "locale: id\nmessages:\n  hello: ''", "line 3: a text is expected"),
        ("a.yaml", "locale: id\nmessages: hello", "line 2: a mapping is expected"),
        (
            "a.yaml",
            "locale: Indonesian!\nmessages:\n  a: b",
            "line 3: 'Indonesian!' is not a language",
        ),
        ("a.csv", "", "line 1: the head must be"),
        ("a.csv", "key,id,id\n", "line 1: the head must be"),
        ("a.csv", "key,id\na,b\na\n", "line 3: 1 cells, and the head has 2"),
        ("a.csv", 'key,id\na,"b"c\n', "line 2: not CSV"),
        ("a.csv", "key,ID\na,b\n", "line 2: 'ID' is not a language"),
        ("a.po", PO + 'nonsense "x"\n', "line 24: not PO"),
        ("a.po", PO.replace('msgctxt "hello"\n', "", 1), "line 6: the message has no context"),
        ("a.po", PO.replace("zh_TW", ""), "line 6: '' is not a language"),
        ("a.po", PO + '\nmsgctxt "a"\nmsgid "b"\nmsgid_plural "c"\nmsgstr[0] "d"\n', "no plurals"),
    ):
        with case(name, words):
            file = tmp_path / name
            file.write_text(text)
            with pytest.raises(SourceError, match=words) as caught:
                read_messages(tmp_path, except_file="")
            assert str(caught.value).startswith(str(file))
            file.unlink()


def test_missing_translations(tmp_path):
    """The table has a row for each key and a column for each language."""
    counts = count_messages(read(tmp_path, b_csv=CSV + "bye,Dadah,\n"))
    found = Completeness({key: counts[key] for key in ("hello", "bye")})
    assert found.rows() == [["", "id", "zh-TW"], ["bye", "1", "-"], ["hello", "2", "1"]]
    assert found.find_missing() == {"zh-TW": ["bye"]}

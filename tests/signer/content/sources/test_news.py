"""Notices and features: an index, and texts in several languages."""

import pytest

from signer.content.sources.news import load_news
from signer.errors import SourceError
from tests.content_rules import check_pack

INDEX = """\
source: Our notices
version: "7"
licence: CC0-1.0
entries:
  end-of-support:
    severity: important
    published: 2026-03-01
    end: 2027-03-01
    link: https://hening.example/support
    models: [armani]
  update-soon:
    severity: urgent
    published: 2026-04-01
"""
TEXTS = """\
key,en,id
end-of-support/title,Support ends,Dukungan berakhir
end-of-support/body,There will be one more update.,Masih akan ada satu pembaruan.
update-soon/title,Please update,
update-soon/body,Two holes are closed.,
"""


def make(folder, index=INDEX, texts=TEXTS):
    """Write an index and a table of texts."""
    (folder / "index.yaml").write_text(index)
    (folder / "texts.csv").write_text(texts)
    return folder


def test_entries_of_index_and_texts(tmp_path):
    """An entry joins the index and its titles and bodies in all languages."""
    built = load_news(make(tmp_path), "notice")
    assert check_pack("notices", built.entries, ["hening.example"])
    assert built.entries == {
        "end-of-support": {
            "body": {
                "en": "There will be one more update.",
                "id": "Masih akan ada satu pembaruan.",
            },
            "end": "2027-03-01",
            "link": "https://hening.example/support",
            "models": ["armani"],
            "published": "2026-03-01",
            "severity": "important",
            "title": {"en": "Support ends", "id": "Dukungan berakhir"},
        },
        "update-soon": {
            "body": {"en": "Two holes are closed."},
            "published": "2026-04-01",
            "severity": "urgent",
            "title": {"en": "Please update"},
        },
    }
    assert built.sources == [{"licence": "CC0-1.0", "name": "Our notices", "version": "7"}]
    assert built.completeness.find_missing() == {"id": ["update-soon"]}


@pytest.mark.parametrize(
    ("index", "texts", "words"),
    [
        (INDEX, TEXTS + "other/title,A,\n", "texts.csv, line 6: other/title is neither"),
        (INDEX, TEXTS + "update-soon/text,A,\n", "line 6: update-soon/text is neither"),
        (INDEX, TEXTS + "update-soon/title,A,\n", "line 6: update-soon/title is given twice"),
        (INDEX, TEXTS.replace("update-soon/title,Please update,", "update-soon/title,,x"),
         "line 12: update-soon has only a title or only a body in en, id"),
        (INDEX, TEXTS.replace("Two holes are closed.", "").replace("Please update", ""),
         "line 12: update-soon has no title and body in en"),
        (INDEX.replace("urgent", "bad"), TEXTS, "line 12: 'bad' is not one of info"),
        (INDEX.replace("2027-03-01", "2026-02-28"), TEXTS,
         "line 8: end-of-support ends before it is shown"),
        (INDEX.replace("2027-03-01", "2026-03-01"), TEXTS,
         "line 8: end-of-support ends before it is shown"),
        (INDEX, TEXTS.replace("Support ends", "Go to evil.com"),
         "texts.csv, line 2: a text holds 'evil.com'"),
        (INDEX, TEXTS.replace("Two holes are closed.", "a" * 2001), "line 5: .* 2001 characters"),
        (INDEX, TEXTS.replace("Support ends", "a" * 121), "line 2: a text has 121 characters"),
        (INDEX.replace("2026-04-01", "1 April"), TEXTS, "line 13: '1 April' is not a day"),
        (INDEX.replace("    severity: urgent\n", ""), TEXTS, "line 12: severity is missing"),
        (INDEX.replace("update-soon", "Update"), TEXTS.replace("update-soon", "Update"),
         "line 12: 'Update' is not an id"),
        (INDEX.replace("severity: urgent", "severity: urgent\n    models: armani"), TEXTS,
         "a list is expected here"),
    ],
)  # fmt: skip
def test_invalid_index_or_texts(tmp_path, index, texts, words):
    """The message names file and line."""
    with pytest.raises(SourceError, match=words):
        load_news(make(tmp_path, index, texts), "feature")

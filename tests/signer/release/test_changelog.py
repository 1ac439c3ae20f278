import pytest
from hypothesis import given
from hypothesis import strategies as st

from signer.errors import ReleaseRefusal
from signer.release.changelog import check_locales, check_text


@pytest.mark.parametrize(
    "text",
    [
        "Fixes the alarm clock.",
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",  # Persian, with a non-joiner
        "\u0915\u094d\u200d\u0937 \U0001f468\u200d\U0001f4bb",  # Hindi and an emoji, with joiners
        "\u06dd\u0661\u0660",  # an Arabic sign around a number
        "\u05d7\u05d3\u05e9: hening 2.0",
        "## What is new\n\n* **Faster** start\n* `adb` works again\n\n> 3 < 5, 5 > 3, a <3 b",
        "See [the notes](https://rom.example/notes?id=1#a) or https://rom.example.",
        "[1] is a number, and (this) is not a link",
        "Memperbaiki jam alarm \u2014 \u4fee\u590d\u95f9\u949f \U0001f389",
        "x" * 4000,
    ],
)
def test_plain_markdown_passes(text) -> None:
    """Headings, lists, emphasis, code, quotes, https links, any script."""
    check_text("en", text)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("x" * 4001, "has 4001 characters; shorten it to 4000"),
        ("a\x00b", r"U\+0000 at position 2"),
        ("a\tb", r"U\+0009"),
        ("a\r\nb", r"U\+000D"),
        ("a\x7f", r"U\+007F"),
        ("a\x85", r"U\+0085"),
        ("a\u2028", r"U\+2028"),
        ("abc\u202e", r"U\+202E at position 4"),
        ("x\ud800", r"U\+D800"),
        ("a\u200b", r"invisible character U\+200B at position 2"),
        ("a\u2060b", r"U\+2060"),
        ("a\ufeff", r"U\+FEFF"),
        ("a\u00adb", r"U\+00AD"),
        ("a\U000e0041", r"U\+E0041"),
        ("a\u200e", r"U\+200E"),
        ("a\u061c", r"U\+061C"),
        ("a\u2066", r"U\+2066"),
        ("a\u3164", r"U\+3164"),
        ("a\u2800", r"U\+2800"),
        ("", "shows nothing; write a text, or leave the locale away"),
        (" \n ", "shows nothing"),
        ("\u00a0\u3000", "shows nothing"),
        ("\u200d\u200c", "shows nothing"),
        ("\u3164\u2800", "shows nothing"),
        ("\u0301", "shows nothing"),
        ("<b>new</b>", "raw HTML"),
        ("a </b", "raw HTML"),
        ("<!-- x", "raw HTML"),
        ("<?php", "raw HTML"),
        ("<https://rom.example>", "angle brackets"),
        ("<a@rom.example>", "angle brackets"),
        ("`<b>`", "raw HTML"),
        ("![logo](https://rom.example/a.png)", "an image"),
        ("[notes]: https://rom.example", "link definition"),
        ("[a\nb]: x", "link definition"),
        ("[x](http://rom.example)", "not of the form"),
        ("[x](HTTP://rom.example)", "not of the form"),
        ("[x](javascript:alert)", "not of the form"),
        ("[x](/local)", "not of the form"),
        ("[x]()", "not of the form"),
        ("[x]( https://rom.example)", "not of the form"),
        ("[x](\nhttps://rom.example)", "not of the form"),
        ('[x](https://rom.example "title")', "not of the form"),
        ("[x](https://rom.example", "not of the form"),
        ("see http://rom.example", "not of the form"),
        ("see ftp://rom.example", "not of the form"),
        ("[a](https://x.example) [b](http://x.example)", "not of the form"),
    ],
)
def test_everything_else_is_refused_with_its_reason(text, sentence) -> None:
    """The sentence names the locale and what to do."""
    with pytest.raises(ReleaseRefusal, match=sentence) as caught:
        check_text("zh-TW", text)
    assert str(caught.value).startswith("The changelog for zh-TW ")


@given(st.text())
def test_any_text_passes_or_is_refused(text) -> None:
    """Nothing but the package's own error, and nothing that passes can hold a tag."""
    try:
        check_text("en", text)
    except ReleaseRefusal:
        return
    assert len(text) <= 4000
    assert not any(mark in text for mark in ("</", "<!", "![", "]:", "\x00"))


def test_required_locales_need_a_text() -> None:
    """A text that shows nothing is none; more locales than required are fine."""
    check_locales({"en": "a", "id": "b"}, ["en"])
    check_locales({}, [])
    with pytest.raises(ReleaseRefusal, match=r"no text for id, zh-TW, which policy\.toml"):
        check_locales({"en": "a", "id": ""}, ["en", "id", "zh-TW"])
    for blank in (" ", "\n\n", "\u200b", "\u3164", "\u00a0"):
        with pytest.raises(ReleaseRefusal, match="no text for id"):
            check_locales({"id": blank}, ["id"])

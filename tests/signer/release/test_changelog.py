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
        "\u05d7\u05d3\u05e9: hening 2.0",
        "## What is new\n\n* **Faster** start\n* `adb` works again\n\n> 3 < 5, 5 > 3, a <3 b",
        "[1] is a number, and (this) is not a link",
        "Memperbaiki jam alarm \u2014 \u4fee\u590d\u95f9\u949f \U0001f389",
        "x" * 4000,
    ],
)
def test_plain_text_passes(text) -> None:
    """Lists, signs and lines, in any script."""
    check_text("en", text)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("x" * 4001, "has 4001 characters, and 1 to 4000 are allowed"),
        ("a\x1b[2Jb", r"holds U\+001B, a control character"),
        ("a\r\nb", r"U\+000D"),
        ("abc\u202e", r"U\+202E"),
        ("a\u200b", r"U\+200B"),
        ("", "has 0 characters"),
        ("\u00a0\u3000", "nothing that can be seen"),
        ("<b>new</b>", "links or markup"),
        ("![logo](a.png)", "links or markup"),
        ("See [the notes](https://rom.example/notes)", "links or markup"),
        ("https://rom.example", "links or markup"),
        ("tel:110", "write a space behind the colon"),
    ],
)
def test_everything_else_is_refused_with_its_reason(text, sentence) -> None:
    """The sentence names the locale and what is wrong."""
    with pytest.raises(ReleaseRefusal, match=sentence) as caught:
        check_text("zh-TW", text)
    assert str(caught.value).startswith("The changelog for zh-TW is no plain text: ")


@given(st.text())
def test_any_text_passes_or_is_refused(text) -> None:
    """Nothing but the package's own error, and nothing that passes can hold a tag or a link."""
    try:
        check_text("en", text)
    except ReleaseRefusal:
        return
    assert len(text) <= 4000
    assert not any(mark in text for mark in ("</", "<!", "//", "](", "]:", "\x00"))


def test_required_locales_need_a_text() -> None:
    """Spaces are none; more locales than required are fine."""
    check_locales({"en": "a", "id": "b"}, ["en"])
    check_locales({}, [])
    with pytest.raises(ReleaseRefusal, match=r"no text for id, zh-TW, which policy\.toml"):
        check_locales({"en": "a", "id": ""}, ["en", "id", "zh-TW"])
    for blank in (" ", "\n\n", "\u00a0"):
        with pytest.raises(ReleaseRefusal, match="no text for id"):
            check_locales({"id": blank}, ["id"])

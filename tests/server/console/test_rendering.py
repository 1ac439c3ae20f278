"""Texts on pages: times, shares, sizes; and escaping in every template."""

import time

import pytest
from markupsafe import Markup

from server.console.rendering import Pages, away, day, iso, moment, share, show, size, utc, zone

DAY = 86_400


def test_times(monkeypatch):
    """Times are shown in the server's zone; attributes have UTC.

    The example is the first second of 2026-11-25 UTC in Jakarta.
    """
    second = 1_795_564_800
    monkeypatch.setenv("TZ", "Asia/Jakarta")
    time.tzset()
    try:
        assert (moment(second), day(second), zone(second)) == (
            *("2026-11-25 07:00", "2026-11-25", "WIB"),
        )
        assert (iso(second), utc(second)) == ("2026-11-25T00:00:00Z", "2026-11-25 00:00 UTC")
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "now"), (59, "now"), (60, "in 1 min"), (-7200, "2 h ago"), (DAY, "in 1 day")],
)
def test_relative_times(seconds, text):
    """A duration is shown in its largest suitable unit."""
    assert away(1000 * DAY + seconds, 1000 * DAY) == text


def test_shares_and_sizes():
    """Shares and sizes have the usual notation, without line breaks."""
    assert (share(1000), share(125)) == ("100\N{NO-BREAK SPACE}%", "12.5\N{NO-BREAK SPACE}%")
    assert size(1_250_000_000) == "1.25\N{NO-BREAK SPACE}GB"


def test_markup_is_escaped():
    """A value with markup is shown as text."""
    data = Pages().render(
        "sign-in.html",
        {
            "who": None,
            "csrf": '"><script>',
            "sees_audit_log": False,
            "now": 0,
            "provider": "",
            "refusal": "<img src=x onerror=alert(1)>",
            "to": "'\"<>&",
        },
    )
    assert b"<script" not in data
    assert b"<img src=x" not in data
    assert b"&lt;img src=x onerror=alert(1)&gt;" in data


def test_invisible_characters_are_shown():
    """Invisible characters are shown as escapes; lines and joined emoji are unchanged."""
    assert show("a\u202eb\nc \U0001f468\u200d\U0001f4bb") == (
        "a\\u{202e}b\nc \U0001f468\u200d\U0001f4bb"
    )
    assert (show(7), show(Markup("a\u200bb"))) == ("7", "a\u200bb")


def test_templates_escape_and_have_no_scripts():
    """Templates have no `safe`, inline style, handler or foreign resource."""
    pages = Pages()
    for name in pages._templates:
        source, _, _ = pages._templates[name].environment.loader.get_source(None, name)
        for word in ("|safe", "| safe", "autoescape", "<script", "style=", "onclick", "http"):
            assert word not in source, name

"""Sizes and durations in readable form."""

from server.core.quantities import spell_size, spell_span


def test_sizes():
    """A size has three digits, and never shows 1000 of a smaller unit."""
    for count, text in (
        *((0, "0 bytes"), (1, "1 byte"), (999, "999 bytes"), (1000, "1 kB")),
        *((56_123_456, "56.1 MB"), (999_499, "999 kB"), (999_700, "1 MB")),
        *((1_234_000_000, "1.23 GB"), (5_000 * 10**12, "5000 TB")),
    ):
        assert spell_size(count) == text


def test_spans():
    """A duration is shown in the largest suitable unit."""
    spans = {5: "5 s", 90: "2 min", 7200: "2 h", 86_400: "1 day", 172_800: "2 days"}
    assert {seconds: spell_span(seconds) for seconds in spans} == spans

"""The number of short messages that a text takes, by 3GPP TS 23.038 and 23.040."""

import pytest

from server.core.content.greetings import count_segments


@pytest.mark.parametrize(
    ("text", "segments"),
    [
        ("a", 1),
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("a" * 306, 2),
        ("a" * 307, 3),
        ("€" * 80, 1),
        ("€" * 81, 2),
        ("a" * 152 + "€" + "a" * 7, 2),  # 161 septets; the pair moves to the second segment
        ("a" * 152 + "€" + "a" * 151, 2),  # 152 in the first, 153 in the second
        ("a" * 152 + "€" + "a" * 152, 3),
        ("ΔΩ[]~|^{}\\\n\r" * 10, 2),  # 4 + 8 * 2 septets, ten times: 200
        ("ü" * 160, 1),
        ("ş" * 70, 1),
        ("ş" * 71, 2),
        ("ş" * 134, 2),
        ("ş" * 135, 3),
        ("😀" * 35, 1),
        ("😀" * 36, 2),
        ("😀" * 66, 2),  # 33 pairs in each: a pair is not split
        ("😀" * 67, 3),
        ("a" * 69 + "ё", 1),
    ],
)
def test_segments(text, segments):
    """One message has 160 septets or 70 units, a segment of several has 153 or 67."""
    assert count_segments(text) == segments

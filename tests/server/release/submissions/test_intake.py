"""A submission's body is split into its parts, whatever the sizes of its pieces."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.core.errors import FormatError
from server.release.submissions.intake import Intake


async def each(pieces):  # noqa: RUF029 - a socket is waited for
    """Yield pieces as a socket does."""
    for piece in pieces:
        yield piece


@given(
    line=st.binary(max_size=30).map(lambda data: data.replace(b"\n", b"") + b"\n"),
    parts=st.lists(st.binary(min_size=1, max_size=40), max_size=5),
    cuts=st.lists(st.integers(1, 50), max_size=40),
)
async def test_parts_are_read_unchanged(line, parts, cuts):
    """The line and each part are read unchanged, whatever the sizes of the pieces."""
    content, pieces = line + b"".join(parts), []
    for cut in cuts:
        pieces.append(content[:cut])
        content = content[cut:]
    intake = Intake(each(filter(None, [*pieces, content])))
    assert await intake.line(31) == line
    for part in parts:
        assert await intake.take(len(part)) == part
    await intake.end()


async def test_line_without_an_end():
    """Of a line without an end, no more than the limit is read."""
    asked = []

    async def pieces():  # noqa: RUF029 - a socket is waited for
        for number in range(100):
            asked.append(number)
            yield b"x" * 10

    with pytest.raises(FormatError, match="one line of at most 30 bytes"):
        await Intake(pieces()).line(30)
    assert asked == [0, 1, 2]


@pytest.mark.parametrize("data", [b"", b"no line feed", b"x" * 30 + b"\n"])
async def test_invalid_lines(data):
    """An empty line, a line without an end, and one over the limit are refused."""
    with pytest.raises(FormatError, match="one line of at most 30 bytes"):
        await Intake(each([data] if data else [])).line(30)


async def test_missing_and_surplus_bytes():
    """A file that ends early and bytes after the last file are refused."""
    with pytest.raises(FormatError, match="ends before the last role file"):
        await Intake(each([b"ab", b"c"])).take(4)
    intake = Intake(each([b"ab", b"cd"]))
    await intake.skip(3)
    with pytest.raises(FormatError, match="more than the role files"):
        await intake.end()
    await intake.skip(9)
    await intake.end()

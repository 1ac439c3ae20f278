"""Rows of bytes, marked where they are meant."""

from client_sim.lab.report.dump import dump


def test_rows_start_at_multiples_of_sixteen_and_keep_the_rest():
    """The marked bytes and whole rows around them."""
    rows = dump(bytes(range(0x30, 0x60)), 18, 3, around=2)
    assert [row.offset for row in rows] == [16]
    (row,) = rows
    assert row.runs() == (
        (False, "40 41", "@A"),
        (True, "42 43 44", "BCD"),
        (False, "45 46 47 48 49 4a 4b 4c 4d 4e 4f", "EFGHIJKLMNO"),
    )


def test_what_cannot_be_printed_is_a_dot():
    """Control characters and what is beyond ASCII."""
    ((row),) = dump(b"\x00\x7f\xff ~", 0, 1)
    assert "".join(cell.sign for cell in row.cells) == "... ~"


def test_a_long_finding_is_cut():
    """The first 128 bytes and what stands around."""
    rows = dump(bytes(10_000), 5000, 5000)
    assert sum(cell.marked for row in rows for cell in row.cells) == 128
    assert len(rows) < 20


def test_nothing_is_shown_of_nothing():
    """An empty string has no rows."""
    assert dump(b"", 0, 0) == ()

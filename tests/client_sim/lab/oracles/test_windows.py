"""Windows of bytes, and differences of neighbours, worked out by hand."""

from client_sim.lab.oracles import windows
from client_sim.lab.oracles.windows import WINDOW, Windows, find_windows, step_differences
from tests.cases import case


def test_all_windows_of_all_readings_are_there():
    """Those of the bytes, and of the bytes turned round, which is another reading."""
    readings, windows, deltas = find_windows(b"abcdefghi")
    assert readings[0] == b"abcdefghi"
    assert b"ihgfedcba" in readings
    assert {b"abcdefgh", b"bcdefghi", b"ihgfedcb", b"hgfedcba"} <= windows
    assert {len(window) for window in windows | deltas} == {WINDOW}
    # a^b = 3, b^c = 1, c^d = 7, d^e = 1, e^f = 3, f^g = 1, g^h = 15, h^i = 1.
    assert b"\x03\x01\x07\x01\x03\x01\x0f\x01" in deltas
    assert all(any(window in text for text in readings) for window in windows)


def test_few_bytes_have_no_window():
    """Seven have none, eight one, of which there are no eight differences."""
    assert find_windows(b"abcdefg")[1:] == (frozenset(), frozenset())
    _, windows, deltas = find_windows(b"abcdefgh")
    assert b"abcdefgh" in windows
    assert deltas == frozenset()


def test_windows_of_a_long_text_begin_at_each_of_its_bytes():
    """Also where they are cut many at a time."""
    for length in (9, 15, 16, 519, 520, 521, 1030):
        with case(length):
            text = bytes(range(256)) * 4 + b"others"
            text = text[:length]
            _, windows, _ = find_windows(text)
            assert {text[at : at + WINDOW] for at in range(length - WINDOW + 1)} <= windows
            assert {len(window) for window in windows} == {WINDOW}


def test_a_difference_is_the_exclusive_or_of_neighbours():
    """One less than there are bytes."""
    for data, differences in (
        (b"", b""),
        (b"a", b""),
        (b"\x05\x03", b"\x06"),
        (b"\x00\x00\xff", b"\x00\xff"),
        (b"\xff\x00\x00", b"\xff\x00"),
        (b"\x12\x34\x56\x78", b"\x26\x62\x2e"),
    ):
        with case(data, differences):
            assert step_differences(data) == differences


def test_windows_of_all_texts_are_kept():
    """Each text is looked at once, whoever sent it."""
    seen = Windows()
    seen.add([b"abcdefghi", b"0123456789"])
    seen.add([b"abcdefghi"])
    for text in (b"abcdefghi", b"0123456789"):
        _, windows, deltas = find_windows(text)
        assert windows <= seen.found
        assert deltas <= seen.deltas
    assert b"jklmnopq" not in seen.found


def test_windows_over_the_end_of_a_line_are_kept():
    """Lines are cut once, and what reaches from one into the next is there all the same."""
    for end in (b"\n", b"\xf5", b"\r\n", b"\n\n"):
        with case(end):
            seen = Windows()
            texts = [
                b"abcdefghi" + end + b"0123456789" + end + rest
                for rest in (b"", b"z", b"jklmnopqr")
            ]
            for text in texts:
                seen.add([text])
            assert seen.found == frozenset().union(*(find_windows(text)[1] for text in texts))
            assert seen.deltas == frozenset().union(*(find_windows(text)[2] for text in texts))


def test_each_text_is_looked_at_once_and_each_line_is_cut_once(monkeypatch):
    """Whatever texts it stands in: those that differ share most of their lines."""
    looked, cut, view = [], [], windows.view
    monkeypatch.setattr(windows, "view", lambda text: looked.append(text) or view(text)[:1])
    monkeypatch.setattr(windows, "step_differences", lambda line: cut.append(line) or line)
    seen = Windows()
    for end in (b"x", b"y", b"z", b"x"):
        seen.add([b"abcdefghi\n0123456789" + end])
    lasts = [b"0123456789x", b"0123456789y", b"0123456789z"]
    assert looked == [b"abcdefghi\n" + last for last in lasts]
    assert sorted(cut) == [*lasts, b"abcdefghi\n01234567"]


def test_too_many_windows_are_given_up_but_not_those_of_the_texts_at_hand():
    """The texts that are given last are always among them, also when they were seen before."""
    seen = Windows(most=1)
    for _ in range(2):
        seen.add([b"abcdefghi"])
        assert b"abcdefgh" in seen.found
        seen.add([b"5172839406"])
        assert b"51728394" in seen.found
        assert b"abcdefgh" not in seen.found


def test_as_many_windows_as_are_allowed_are_kept():
    """More are given up when the next text comes."""
    one = Windows()
    one.add([b"abcdefghi"])
    seen = Windows(most=len(one.found))
    seen.add([b"abcdefghi"])
    seen.add([b"5172839406"])
    assert one.found < seen.found

"""What builders leave out."""

from signer.content.sources.build_result import LeftOut


def test_left_out() -> None:
    """It is sorted and counted by reason; long lists are cut for people."""
    assert LeftOut().to_lines(10) == LeftOut().to_json() == []
    left_out = LeftOut()
    left_out.add("too long", "b")
    left_out.add("odd", "x")
    left_out.add("too long", "a", 3)
    left_out.add("too long", "b")
    left_out.add("too long", "c")
    assert left_out.to_json() == [
        {"count": 1, "names": {"x": 1}, "reason": "odd"},
        {"count": 6, "names": {"a": 3, "b": 2, "c": 1}, "reason": "too long"},
    ]
    assert left_out.to_lines(2) == [
        "Left out (1): odd: x",
        "Left out (6): too long: a (3); b (2); and 1 more, which --json has",
    ]

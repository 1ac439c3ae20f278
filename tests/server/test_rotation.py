"""Which device nodes an edge asks."""

from server.rotation import GRACE, Rotation, encode_upstream


def test_a_node_that_lags():
    """It is asked until it has lagged for a while, and again once it has caught up."""
    rotation = Rotation()
    assert rotation.plan({"a": 7, "b": 7, "c": 7}, 0) == {"a", "b", "c"}
    assert rotation.plan({"a": 8, "b": 7, "c": 8}, 100) == {"a", "b", "c"}
    assert rotation.plan({"a": 8, "b": 7, "c": 8}, 100 + GRACE) == {"a", "c"}
    assert rotation.plan({"a": 8, "b": 8, "c": 8}, 200) == {"a", "b", "c"}


def test_a_node_that_lags_while_much_is_published():
    """New timestamps every second give it no further time."""
    rotation = Rotation()
    for second in range(20):
        asked = rotation.plan({"a": 7 + second, "b": 7}, second)
        assert ("b" in asked) == (second < 1 + GRACE)
        assert "a" in asked


def test_a_node_that_does_not_answer():
    """It is not asked, at once; with the newest one gone the others are, although they lag."""
    rotation = Rotation()
    rotation.plan({"a": 8, "b": 7, "c": 6}, 0)
    assert rotation.plan({"a": None, "b": 7, "c": None}, 1) == {"b"}
    assert rotation.plan({"a": None, "b": 7, "c": 6}, 100) == {"b", "c"}
    assert rotation.plan({"a": 8, "b": 7, "c": 6}, 101) == {"a"}


def test_no_node_answers():
    """All are asked: nginx finds out by itself which one is back."""
    rotation = Rotation()
    for now in (0, 100):
        assert rotation.plan({"a": None, "b": None}, now) == {"a", "b"}


def test_what_nginx_includes():
    """An address a line, in the order of the options; a node that is not asked is `down`."""
    lines = encode_upstream({"10.0.0.1:8080": True, "[fd00::2]:8080": False})
    assert lines == "server 10.0.0.1:8080;\nserver [fd00::2]:8080 down;\n"

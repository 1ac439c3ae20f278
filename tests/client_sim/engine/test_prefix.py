import io

from hypothesis import given
from hypothesis import strategies as st

from client_sim.engine.errors import PackageError
from client_sim.engine.prefix import Edges

WHOLE = bytes(range(1, 101))


@given(st.integers(0, 60), st.integers(60, 100), st.integers(0, 100), st.integers(0, 120))
def test_known_edges_of_a_file(head, tail, start, size):
    """Both ends have the file's bytes; the unknown middle is zeros or refused."""
    edges = Edges(100, WHOLE[:head], WHOLE[tail:])
    file = io.BytesIO(WHOLE)
    assert edges.seek(0, 2) == len(WHOLE)
    assert edges.seek(start) == file.seek(start)
    expected = file.read(size)
    try:
        found = edges.read(size)
    except PackageError:
        assert start + size > head
        assert start + len(expected) <= tail
        return
    assert len(found) == len(expected)
    unknown = (
        max(0, min(tail, start + len(expected)) - start) if start + len(expected) > head else 0
    )
    assert found[unknown:] == expected[unknown:]
    assert set(found[:unknown]) <= {0}

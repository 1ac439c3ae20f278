"""The corpus of the capture fuzzer, including every input on which it once failed."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from soak.captures import check_capture
from tests.cases import case

CORPUS = sorted((Path(__file__).parents[4] / "fixtures" / "fuzz" / "captures").iterdir())


def test_corpus_of_the_fuzzer():
    """Each input gives an audit that can be shown, or CaptureError."""
    for path in CORPUS:
        with case(path.name):
            check_capture(path.read_bytes())


@given(
    st.sampled_from(CORPUS),
    st.lists(st.tuples(st.integers(0, 700), st.binary(max_size=8)), max_size=4),
)
def test_inputs_near_the_corpus(path, changes):
    """Changed and inserted bytes raise no other exception."""
    data = path.read_bytes()
    for place, other in changes:
        data = data[:place] + other + data[place + len(other) // 2 :]
    check_capture(data)

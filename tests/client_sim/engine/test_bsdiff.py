import itertools

import bsdiff4
import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_sim.engine.bsdiff import apply_patch
from client_sim.engine.errors import EngineError, PackageError
from fixtures.bsdiff_writer import encode_offset
from tests.cases import case
from tests.client_sim.engine.images import edited, noise
from tests.client_sim.engine.payload_builder import bsdf2, bsdf2_streams

OLD = noise(7, 2)
NEW = edited(OLD)[512:] + b"appended"

near = st.tuples(st.binary(max_size=300), st.binary(max_size=50), st.integers(0, 300)).map(
    lambda t: (t[0], t[0][: t[2]] + t[1] + t[0][t[2] :])
)


@given(near)
def test_patches_of_the_real_generator_apply(pair):
    """A BSDIFF40 patch by bsdiff4 gives the new data."""
    old, new = pair
    assert apply_patch(old, bsdiff4.diff(old, new), len(new)) == new


def test_bsdf2_patches_with_every_compressor_apply():
    """BSDF2 streams may each be uncompressed, bzip2 or brotli."""
    for kinds in [bytes(kinds) for kinds in itertools.product(range(3), repeat=3)]:
        with case(kinds):
            assert apply_patch(OLD, bsdf2(OLD, NEW, kinds), len(NEW)) == NEW


def _triples(*triples):
    return b"".join(encode_offset(number) for triple in triples for number in triple)


def test_refused_control_streams():
    """Negative or wrong lengths, and reads outside the source, are refused."""
    for control, diff, extra, words in (
        (_triples((4, 0, 0)), b"\0" * 4, b"", "less than it promises"),
        (_triples((9, 0, 0)), b"\0" * 9, b"", "more than it promises"),
        (_triples((0, 9, 0)), b"", b"\0" * 9, "more than it promises"),
        (_triples((-1, 9, 0)), b"", b"\0" * 9, "negative"),
        (_triples((8, -1, 0)), b"\0" * 8, b"", "negative"),
        (_triples((8, 0, 0))[:-1], b"\0" * 8, b"", "half a control triple"),
        (_triples((0, 0, 5), (8, 0, 0)), b"\0" * 8, b"", "outside"),
        (_triples((0, 0, -1), (8, 0, 0)), b"\0" * 8, b"", "outside"),
        (_triples((0, 8, 1 << 62)), b"", b"\0" * 8, "outside"),
        (_triples((0, 8, -(1 << 62))), b"", b"\0" * 8, "outside"),
        (_triples((8, 0, 0)), b"\0" * 7, b"", "less data"),
        (_triples((8, 0, 0)), b"\0" * 9, b"", "more than the 8 bytes"),
        (_triples((0, 8, 0)), b"", b"\0" * 7, "less data"),
        (_triples((0, 8, 0)), b"", b"\0" * 9, "more than the 8 bytes"),
        (_triples(*[(0, 0, 0)] * 20), b"", b"", "more than the 216 bytes"),
    ):
        with case(control, diff, extra, words), pytest.raises(PackageError, match=words):
            apply_patch(bytes(12), bsdf2_streams(control, diff, extra, 8), 8)


def test_refused_headers():
    """A header that is cut, unknown or has wrong sizes is refused."""
    for change, words in (
        (lambda p: p[:31], "cut short"),
        (lambda p: b"BSDIFF41" + p[8:], "neither"),
        (lambda p: p[:5] + b"\3\0\0" + p[8:], "unknown compressor"),
        (lambda p: p[:8] + encode_offset(-1) + p[16:], "cut short"),
        (lambda p: p[:16] + encode_offset(-1) + p[24:], "cut short"),
        (lambda p: p[:8] + encode_offset(10**9) + p[16:], "cut short"),
        (lambda p: p[:24] + encode_offset(len(NEW) + 1) + p[32:], "another size"),
    ):
        with case(change, words), pytest.raises(PackageError, match=words):
            apply_patch(OLD, change(bsdf2(OLD, NEW)), len(NEW))


@given(st.data())
def test_damaged_patches_give_only_engine_errors(data):
    """A patch with changed bytes gives an `EngineError` or the requested size."""
    kinds = data.draw(st.sampled_from([b"\0\0\0", b"\2\2\2", b"\1\0\2"]))
    patch = bytearray(bsdf2(OLD, NEW, kinds))
    for _ in range(data.draw(st.integers(1, 4))):
        patch[data.draw(st.integers(0, min(200, len(patch)) - 1))] = data.draw(st.integers(0, 255))
    try:
        assert len(apply_patch(OLD, bytes(patch), len(NEW))) == len(NEW)
    except EngineError:
        return


@given(st.binary(max_size=120), st.sampled_from([b"", b"BSDIFF40", b"BSDF2\0\0\0"]))
def test_arbitrary_patches_give_only_engine_errors(tail, magic):
    """Arbitrary bytes, with and without a valid magic, give an `EngineError` or that size."""
    try:
        assert len(apply_patch(OLD, magic + tail, 16)) == 16
    except EngineError:
        return

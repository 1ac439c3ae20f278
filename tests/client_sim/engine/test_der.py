import pytest
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from hypothesis import given
from hypothesis import strategies as st

from client_sim.engine.errors import EngineError, PackageError
from client_sim.engine.signatures import INTEGER, SEQUENCE, Element, decode_elements


@given(st.integers(0, 2**2000), st.integers(0, 2**64))
def test_what_another_writer_encodes_is_decoded(first, second):
    """A sequence of two integers by `cryptography`, of one, two or three bytes of length."""
    (sequence,) = decode_elements(encode_dss_signature(first, second))
    assert sequence.tag == SEQUENCE
    numbers = sequence.elements()
    assert [each.tag for each in numbers] == [INTEGER, INTEGER]
    assert [int.from_bytes(each.content, "big") for each in numbers] == [first, second]


@given(st.binary(max_size=100))
def test_arbitrary_bytes_give_elements_or_an_engine_error(data):
    """Nothing but EngineError comes out of any bytes."""
    try:
        found = decode_elements(data)
    except EngineError:
        return
    assert sum(len(each.content) + 2 for each in found) <= len(data)


@pytest.mark.parametrize(
    "encoded",
    [
        "30",
        "3001",
        "3080",
        "308000",
        "30817f",
        "30820080",
        "3f0100",
        "3085000000000100",
        "02020100ff",
    ],
)
def test_other_forms_than_ders_are_refused(encoded):
    """Cut short, indefinite, longer than needed, tags of several bytes, bytes behind the end."""
    with pytest.raises(PackageError):
        decode_elements(bytes.fromhex(encoded))


def test_an_element_of_128_bytes_has_a_length_of_two():
    """X.690 section 8.1.3: from 128 on the length has a count in front."""
    content = b"x" * 128
    assert decode_elements(b"\x04\x81\x80" + content) == [Element(4, content)]

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client_sim.device.errors import DeviceError, StateError, StorageError
from client_sim.device.image import (
    Image,
    ImageFacts,
    decode_facts,
    encode_facts,
    load_image,
    write_image,
)
from tests.cases import case

FACTS = ImageFacts("armani", "id", "stable", "a.example", 8080, tls=False, built_at=7)
BYTES = (
    b'{"built_at":7,"channel":"stable","codename":"armani","host":"a.example","port":8080,'
    b'"region":"id","schema":1,"tls":false}\n'
)


def test_the_encoding_of_an_image():
    """Facts are canonical JSON as FORMATS section 1 says."""
    assert encode_facts(FACTS) == BYTES
    assert decode_facts(BYTES) == FACTS


def test_refused_images():
    """There is one encoding, and names are checked, as the host goes into each request."""
    for data in (
        *(b"", BYTES[:-1], BYTES + b"\n", b"[" * 100_000, b" " * 2_000_000),
        *(BYTES.replace(b":7", other) for other in (b": 7", b":7.0")),
        BYTES.replace(b'"schema":1', b'"schema":2'),
        *(BYTES.replace(b"armani", other) for other in (b"latest", b"Armani")),
        BYTES.replace(b"stable", b"st/able"),
        *(BYTES.replace(b"a.ex", other) for other in (b"a.ex\\r\\nX: y", b"A.ex")),
        *(BYTES.replace(b"8080", b"0"), BYTES.replace(b"false", b"0")),
        *(BYTES.replace(b"{", other) for other in (b'{"a":1,', b'{"built_at":7,')),
    ):
        with case(data), pytest.raises(StateError):
            decode_facts(data)


@given(st.binary(max_size=200))
def test_arbitrary_bytes_raise_only_device_error(data):
    """Arbitrary bytes are refused with the phone's own error."""
    with pytest.raises(DeviceError):
        decode_facts(data)


def test_an_image_is_written_and_read(tmp_path):
    """The certificate authority is optional; facts that a phone would refuse are not written."""
    for authority in (None, "PEM"):
        image = Image(FACTS, b"root", b"certificate", authority)
        write_image(tmp_path / str(authority), image)
        assert load_image(tmp_path / str(authority)) == image
    nameless = dataclasses.replace(FACTS, region="")
    with pytest.raises(StateError):
        write_image(tmp_path / "nameless", Image(nameless, b"", b"", None))
    assert not (tmp_path / "nameless").exists()


def test_missing_and_incomplete_images(tmp_path):
    """A missing folder, an empty one, and an image without its root have their own errors."""
    with pytest.raises(StorageError, match="no folder"):
        load_image(tmp_path / "nothing" / "image")
    with pytest.raises(StateError, match="no phone"):
        load_image(tmp_path / "image")
    write_image(tmp_path / "image", Image(FACTS, b"root", b"", None))
    with pytest.raises(StorageError):
        write_image(tmp_path / "image", Image(FACTS, b"root", b"", None))
    (tmp_path / "image/root.json").unlink()
    with pytest.raises(StorageError):
        load_image(tmp_path / "image")
    (tmp_path / "image/root.json").write_bytes(bytes(1_100_000))
    with pytest.raises(StateError, match="too long"):
        load_image(tmp_path / "image")

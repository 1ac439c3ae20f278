import pytest

from client_sim.engine.errors import PackageError, UnsupportedError
from client_sim.engine.manifest import OperationType
from tests.cases import case
from tests.client_sim.engine import payload_builder as pb
from tests.client_sim.engine.images import NEW, OLD, delta_part, noise
from tests.client_sim.engine.payload_builder import BLOCK, Op, Part, build_payload, field
from tests.client_sim.engine.streamed import open_payload

IMAGE = noise(1, 4)
MIB = 1024 * 1024


def _full(*ops, new=IMAGE, **more):
    return Part(name="system", new=new, ops=ops, **more)


def _replace(*dst, data=None, **more):
    size = sum(count for _, count in dst) * BLOCK
    return Op(type=pb.REPLACE, dst=dst, data=bytes(size) if data is None else data, **more)


WHOLE = _replace((0, 4))


def _sourced(kind, **more):
    return Part(
        name="system", new=IMAGE, old=OLD, ops=(Op(**{"type": kind, "dst": ((0, 4),), **more}),)
    )


def _refuse(words, data, error=PackageError):
    with pytest.raises(error, match=words):
        open_payload(data)


def test_full_payload_has_only_replace_operations():
    """Other operations are refused by name."""
    for kind in (pb.ZERO, pb.DISCARD, pb.SOURCE_COPY, pb.SOURCE_BSDIFF, pb.BROTLI_BSDIFF):
        name = OperationType(kind).name
        data = build_payload([_full(Op(type=kind, dst=((0, 4),)))])
        with case(name):
            _refuse(f"system uses {name}", data, UnsupportedError)


def test_payloads_of_other_kinds_are_unsupported():
    """Block sizes, minor versions and hash trees beside the rules of FORMATS section 14."""
    assert open_payload(build_payload([_full(WHOLE)], block_size=None)).manifest.block_size == 4096
    for minor in range(4, 10):
        payload = open_payload(build_payload([delta_part()], minor=minor))
        assert payload.manifest.partitions[0].new.size == len(NEW)
    for part, minor in ((_full(WHOLE), 9), (_full(WHOLE, old=OLD), 0), (_full(WHOLE, old=OLD), 1)):
        data = build_payload([part], minor=minor)
        _refuse(f"minor version {minor}", data, UnsupportedError)
    for number in (14, 15):
        part = _full(WHOLE, old=OLD, more=field(number, pb.extent(0, 1)))
        _refuse("verity", build_payload([part], minor=6), UnsupportedError)


REFUSED = [
    ([], "no partition"),
    ([_full(WHOLE), _full(WHOLE)], "partition twice"),
    ([_full(WHOLE, new_size=0)], "impossible size of 0"),
    ([_full(WHOLE, new_size=2**64 - BLOCK)], "impossible size"),
    ([_full(_replace((2**64 - 1, 1)))], "outside"),
    ([_full(Op(type=0, dst=((0, 2**63),), data=b"x"))], "outside"),
    ([_full(Op(type=0, dst=(), data=b"x"))], "no blocks"),
    ([_full(_replace((0, 2)), _replace((1, 3)))], "written twice"),
    ([_full()], "never written"),
    ([_full(Op(type=0, dst=((0, 4),)))], "no data or"),
    ([_full(_replace((0, 2)), _replace((2, 2), data_offset=0))], "order"),
    ([_full(Op(type=1, dst=((0, 4),), data=b"x", data_length=MIB))], "cut short"),
    ([_full(Op(type=1, dst=((0, 4),), data=b"xx", data_length=1))], "does not end"),
    ([_sourced(pb.SOURCE_COPY)], "no blocks"),
    ([_sourced(pb.SOURCE_COPY, src=((0, 3),))], "different sizes"),
    ([_sourced(pb.SOURCE_COPY, src=((2**64 - 1, 1), (0, 3)))], "outside"),
    ([_sourced(pb.SOURCE_COPY, src=((0, 4),), data=b"x")], "must not"),
    ([_sourced(pb.DISCARD, data_length=1)], "must not"),
    ([_sourced(pb.SOURCE_BSDIFF, src=((0, 4),))], "no data or"),
    ([_sourced(pb.SOURCE_BSDIFF, data=b"x")], "no blocks"),
    ([_sourced(pb.BROTLI_BSDIFF, src=((0, 4),), data=b"x", dst_length=9)], "its result"),
]


def test_refused_payloads():
    """Overflows and empty values, beside the rules of FORMATS section 14 (`package_vectors`)."""
    for parts, words in REFUSED:
        minor = 4 if any(part.old for part in parts) else 0
        with case(parts, words):
            _refuse(words, build_payload(parts, minor=minor))


def test_a_new_partition_of_an_incremental_has_no_source():
    """In an incremental, a partition without an old image may be replaced but not patched."""
    delta = delta_part("vendor")
    open_payload(build_payload([delta, _full(WHOLE)], minor=4))
    copy = Op(type=pb.SOURCE_COPY, src=((0, 4),), dst=((0, 4),))
    _refuse("does not name", build_payload([delta, _full(copy)], minor=4))


def test_a_payload_signature_follows_the_data():
    """The payload signature follows the data immediately and ends the payload."""
    for more, words in (
        (field(4, 4 * BLOCK), "half of a payload signature"),
        (field(5, 9), "half of a payload signature"),
        (field(4, 0) + field(5, 9), "does not follow the data"),
        (field(4, 4 * BLOCK) + field(5, 9), "does not end"),
        (field(4, 4 * BLOCK) + field(5, 2**64 - 1), "does not end"),
    ):
        with case(words):
            _refuse(words, build_payload([_full(WHOLE)], more=more))

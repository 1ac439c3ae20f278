import hashlib
import io
import lzma
import threading
from contextlib import ExitStack
from tempfile import TemporaryFile

import pytest

from client_sim.engine.errors import ApplyError, PackageError
from client_sim.engine.journal import Disk
from client_sim.engine.manifest import (
    BLOCK_SIZE,
    Extent,
    ImageInfo,
    Operation,
    OperationType,
    Partition,
)
from client_sim.engine.operations import MEMORY_BYTES, Step, TargetImage, Workers, apply_operation
from tests.cases import case
from tests.client_sim.engine.images import OLD, noise
from tests.client_sim.engine.payload_builder import BLOCK, bsdf2, compress


def _apply(kind, data=b"", source=OLD, *, blocks=2, src=(), **more):
    """Apply one operation to a target of four zero blocks, at its second; return the target."""
    facts = {
        "type": kind,
        "data_offset": 0,
        "data_length": len(data),
        "src": tuple(Extent(*pair) for pair in src),
        "dst": (Extent(1, blocks),),
        "data_sha256": hashlib.sha256(data).digest(),
        "src_sha256": None,
    }
    with ExitStack() as stack:
        target = stack.enter_context(TemporaryFile(buffering=0))
        target.truncate(4 * BLOCK)
        old = None
        if source is not None:
            old = stack.enter_context(TemporaryFile(buffering=0))
            old.write(source)
        apply_operation(Operation(**{**facts, **more}), data, old, target, Disk())
        target.seek(0)
        return target.read()


REPLACES = [OperationType.REPLACE, OperationType.REPLACE_BZ, OperationType.REPLACE_XZ]


def test_replace_operations():
    """Only the destination is written; data that is shorter or longer is refused."""
    new = noise(1, 2)
    for kind in REPLACES:
        with case(kind):
            assert _apply(kind, compress(kind, new)) == bytes(BLOCK) + new + bytes(BLOCK)
            for size in (2 * BLOCK - 1, BLOCK, 0):
                with pytest.raises(PackageError, match="too short"):
                    _apply(kind, compress(kind, new[:size]))
            with pytest.raises(PackageError, match="more than"):
                _apply(kind, compress(kind, new + b"x"))


def test_an_xz_stream_with_another_filter_is_refused():
    """A phone's decoder does not know the filter that the library here accepts."""
    filters = [{"id": lzma.FILTER_DELTA}, {"id": lzma.FILTER_LZMA2}]
    data = lzma.compress(noise(1, 2), check=lzma.CHECK_CRC32, filters=filters)
    with pytest.raises(PackageError, match="a filter that phones do not know"):
        _apply(OperationType.REPLACE_XZ, data)


def test_data_with_another_hash_is_refused():
    """Damaged data is refused before it is decompressed."""
    for kind in (*REPLACES, OperationType.SOURCE_BSDIFF):
        with pytest.raises(PackageError, match=f"data of a {kind.name} operation is damaged"):
            _apply(kind, b"anything", data_sha256=bytes(32))


def test_zeros_and_copies():
    """ZERO and DISCARD write nothing; SOURCE_COPY joins its source extents in their order."""
    for kind in (OperationType.ZERO, OperationType.DISCARD):
        assert _apply(kind) == bytes(4 * BLOCK)
    copied = _apply(OperationType.SOURCE_COPY, src=((3, 1), (1, 1)))
    assert copied[BLOCK : 3 * BLOCK] == OLD[3 * BLOCK : 4 * BLOCK] + OLD[BLOCK : 2 * BLOCK]


def test_patch_operations():
    """A patch is applied to the joined source extents."""
    new = OLD[4 * BLOCK : 5 * BLOCK] + OLD[:BLOCK]
    for kind in (OperationType.SOURCE_BSDIFF, OperationType.BROTLI_BSDIFF):
        patch = bsdf2(OLD[: 2 * BLOCK], new)
        assert _apply(kind, patch, src=((0, 2),))[BLOCK : 3 * BLOCK] == new


def test_a_wrong_source_is_refused():
    """A source with another hash, a missing, a short and a long one are refused."""
    for kind in (OperationType.SOURCE_COPY, OperationType.SOURCE_BSDIFF):
        with case(kind), pytest.raises(ApplyError, match="not the one that this incremental"):
            _apply(kind, src=((0, 2),), src_sha256=bytes(32))
    for source, blocks, error, words in (
        (None, 2, ApplyError, "no old image"),
        (OLD[: BLOCK + 1], 2, ApplyError, "shorter"),
        (OLD, 3, PackageError, "too long"),
    ):
        with case(words), pytest.raises(error, match=words):
            _apply(OperationType.SOURCE_COPY, source=source, src=((0, blocks),))


MIB = 1024 * 1024


def _step(kind, data, result):
    operation = Operation(kind, 0, data, (), (Extent(0, result // BLOCK_SIZE),), None, None)
    partition = Partition("system", ImageInfo(result, b""), None, (operation,))
    return Step(operation, TargetImage(partition, io.BytesIO(), None))


def test_an_xz_operation_counts_its_dictionary():
    """Its memory is what it has decoded, at most the 64 MiB of `xz -9`, and not the result."""
    for result, memory in ((2 * MIB, 2 * MIB), (64 * MIB, 64 * MIB), (256 * MIB, 64 * MIB)):
        with case(result, memory):
            assert _step(OperationType.REPLACE_XZ, 1000, result).memory == 1000 + memory
            assert _step(OperationType.REPLACE, 1000, result).memory == 1000
            assert _step(OperationType.REPLACE_BZ, 1000, result).memory == 1000
            assert 2 * (1000 + 64 * MIB) > MEMORY_BYTES  # so large ones run alone


def test_jobs_run_in_parallel():
    """Two jobs that wait for each other both finish before the workers end."""
    meeting, ended = threading.Barrier(2), []

    def job():
        meeting.wait()
        ended.append(threading.get_ident())

    with Workers(2) as workers:
        for _ in range(2):
            workers.start(job, 1)
    assert len(set(ended)) == 2


def test_memory_of_parallel_jobs_is_bounded():
    """A job waits if it would exceed the limit with others; a larger one runs alone."""
    held, most, lock = 0, 0, threading.Lock()

    def make(memory):
        def job():
            nonlocal held, most
            with lock:
                held += memory
                most = max(most, held)
            with lock:
                held -= memory

        return job

    with Workers(4) as workers:
        for memory in [MEMORY_BYTES // 2 + 1] * 20 + [MEMORY_BYTES // 3] * 20:
            workers.start(make(memory), memory)
        assert workers.start(make(0), 10 * MEMORY_BYTES).result() is None
    assert most <= MEMORY_BYTES


def test_failed_job_releases_its_memory():
    """The error is in the future, and the next job can start."""

    def fail():
        raise OSError("no room")

    with Workers(1) as workers:
        failing = workers.start(fail, MEMORY_BYTES)
        with pytest.raises(OSError, match="no room"):
            failing.result()
        assert workers.start(lambda: None, MEMORY_BYTES).result() is None


def test_number_of_started_jobs_is_bounded():
    """A job takes memory even if it has no data."""
    full = threading.Event()
    with Workers(1) as workers:
        wait_for, started = workers._changed.wait_for, 1

        def waiting(has_room):
            if not has_room():
                full.set()
            return wait_for(has_room)

        workers._changed.wait_for = waiting
        workers.start(full.wait, 0)
        while not full.is_set() and started < 10_000:
            workers.start(lambda: None, 0)
            started += 1
        full.set()
    assert started <= MEMORY_BYTES // 4096 + 1

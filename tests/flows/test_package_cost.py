"""The cost of checking a package is bounded by its size, whatever its content.

Processor time is compared with that of a loop over as many bytes in the same process, so a busy
machine slows both. On an idle machine a second is about 45 such loops over a MiB. Objects that
other tests left in memory are frozen, because the garbage collector would traverse all of them.
"""

import dataclasses
import gc
import pickle
import subprocess
import sys
import time

import pytest

from fixtures.zip_writer import Member
from tests.package_drafts import (
    BLOCK,
    bytes_of,
    encode,
    full,
    number,
    operation,
    put,
    seal,
    step,
    values,
)
from tests.package_judges import ask_phone, ask_phone_rules, ask_signer

# The most loops over a MiB that checking a MiB may cost. The cases here take 30 or fewer, plus
# fixed cost; work that grows with the square of the size takes thousands.
LOOPS = 200
# The cost of verifying three signatures and writing the file, in MiB of the loop.
FIXED = 0.25
MOST_MEMORY = 250_000_000  # bytes
MIB = 1 << 20


@pytest.fixture(scope="module", autouse=True)
def clean_memory():
    """Collect other tests' garbage once; objects that remain are frozen during these tests."""
    gc.collect()
    yield
    gc.unfreeze()


def _spend(work):
    """Return the processor time of a call."""
    gc.freeze()
    begun = time.process_time()
    work()
    return time.process_time() - begun


def _is_cheap(work, allowed):
    """Return whether one of two attempts stays below `allowed` seconds of processor time."""
    return any(_spend(work) < allowed for _ in range(2))


def _loop(data):
    total = 0
    for byte in data:
        total += byte
    return total


def _of(operations, blocks):
    """Return an incremental whose partition has these operations and this many blocks."""
    draft = step()
    partition = [each for each in draft.partition if each[0] not in {7, 8}]
    partition.append(bytes_of(7, [number(1, blocks * BLOCK), bytes_of(2, bytes(32))]))
    draft.partition[:] = [*partition, encode([bytes_of(8, each) for each in operations])]
    draft.blobs = b""
    put(draft.manifest, 4, 0)
    return draft


def short_operations(count=20_000):
    """Return as many operations as fit into few bytes."""
    return _of([operation(6, ((at, 1),)) for at in range(count)], count)


def scattered_extents(count=50_000):
    """Return operations with many interleaved extents."""
    groups = [[(at, 1) for at in range(first, count, 100)] for first in range(100)]
    return _of([operation(6, each) for each in groups], count)


def many_partitions():
    """Return many operations and many partitions, of which only the last one has old content."""
    draft = short_operations()
    last = draft.manifest.index(next(each for each in draft.manifest if each[0] == 13))
    block = [
        bytes_of(7, [number(1, BLOCK), bytes_of(2, bytes(32))]),
        bytes_of(8, operation(6, ((0, 1),))),
    ]
    more = [bytes_of(13, [bytes_of(1, f"p{index}"), *block]) for index in range(127)]
    draft.manifest[last:last] = more
    return draft


def unread_messages(count=100_000):
    """Return a partition with unused messages, each of which must be well-formed."""
    draft = full()
    draft.partition.append(b"\x92\x01\x00" * count)
    return draft


def many_names():
    """Return as many entries as a zip may have, each of them in the property files."""
    draft = full()
    names = [f"{index:04}" for index in range(1000)]
    draft.members += [Member(name, b"") for name in names]
    draft.names += names
    draft.lists["ota-streaming-property-files"] = lambda text: ",".join(text.split(",")[:4])
    draft.reserved = 32_000
    return draft


def many_states(count=50_000):
    """Return a metadata.pb with unused partition states."""
    draft = full()
    values(draft.pb, 5)[0].append(encode([bytes_of(7, [bytes_of(1, "p")])]) * count)
    return draft


def unknown_names():
    """Return as many unknown names as fit into the metadata and a manifest of that size."""
    draft = full()
    draft.texts |= {f"x{index}": "" for index in range(8_000)}
    draft.manifest.append(b"".join(encode([number(100 + index, 1)]) for index in range(20_000)))
    return draft


FORMS = (
    unknown_names,
    short_operations,
    scattered_extents,
    many_partitions,
    unread_messages,
    many_names,
    many_states,
)


@pytest.mark.parametrize("make", FORMS)
def test_time_is_linear(make, tmp_path):
    """Signer and phone take at most LOOPS loops over the package's small parts."""
    sealed = seal(make())
    partitions = [f"p{index}" for index in range(127)] if make is many_partitions else []
    loop = min(_spend(lambda: _loop(sealed.data)) for _ in range(2))
    allowed = loop / len(sealed.data) * LOOPS * (len(sealed.data) + FIXED * MIB)
    assert _is_cheap(lambda: ask_signer(sealed, tmp_path), allowed)
    assert _is_cheap(lambda: ask_phone_rules(sealed, tmp_path, ["product", *partitions]), allowed)


@pytest.mark.parametrize("name", ["signer.ota.payload", "client_sim.engine.payload"])
def test_signature_is_checked_before_decoding(name, tmp_path, monkeypatch):
    """A manifest with a wrong signature costs signer and phone a single hash."""
    sealed = seal(full())
    at = sealed.data.index(b"CrAU") + 24
    data = bytearray(sealed.data)
    data[at + int.from_bytes(data[at - 12 : at - 4], "big") + 20] ^= 1
    sealed = dataclasses.replace(sealed, data=bytes(data))
    decoded = []
    monkeypatch.setattr(f"{name}.decode_manifest", decoded.append)
    judge = ask_signer if name.startswith("signer") else ask_phone
    assert judge(sealed, tmp_path)
    assert not decoded


CHILD = """
import pickle, sys
from pathlib import Path
from tests.package_judges import ask_phone, ask_phone_rules, ask_signer
sealed = pickle.load(open(sys.argv[1], "rb"))
if sys.argv[2] == "signer":
    ask_signer(sealed, Path(sys.argv[3]))
else:
    ask_phone_rules(sealed, Path(sys.argv[3]), ["product"])
# Of this program alone: what getrusage tells begins with the process that started it.
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM:"))
print(int(peak.split()[1]) * 1024)
"""


@pytest.fixture(scope="module")
def most_memory(tmp_path_factory):
    """Return the file of a package whose 16 MiB manifest is much larger once decoded."""
    draft = full()
    draft.manifest.append(b"\x8a\x01\x02\x10\x01" * 500_000)
    partition = encode([bytes_of(1, "q"), b"\x2a\x02\x08\x06" * 500_000])
    draft.manifest += [bytes_of(13, partition) for _ in range(6)]
    path = tmp_path_factory.mktemp("most") / "sealed"
    path.write_bytes(pickle.dumps(seal(draft)))
    return path


@pytest.mark.parametrize("who", ["signer", "phone"])
def test_memory_is_bounded(most_memory, who, tmp_path):
    """The peak memory of a checking process is bounded; it includes the package and its tests."""
    done = subprocess.run(
        [sys.executable, "-c", CHILD, most_memory, who, tmp_path], capture_output=True, check=True
    )
    assert int(done.stdout) < MOST_MEMORY

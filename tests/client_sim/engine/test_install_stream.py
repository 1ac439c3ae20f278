import pytest

from client_sim.engine.errors import EngineError, NotStreamableError, PackageError
from client_sim.engine.slots import BootOutcome
from fixtures.catalogue import find_build
from tests.client_sim.engine.images import NEW, delta_part, noise
from tests.client_sim.engine.ota_zip import FROM_OLD, FULL_TEXT, METADATA, RUNNING, Zip
from tests.client_sim.engine.payload_builder import build_payload, field, full_part
from tests.client_sim.engine.streamed import BLOCK, Blocks, Ota, facts_of, make_phone, snapshot


@pytest.mark.parametrize(
    ("codename", "size"), [("armani", 4096), ("cancro", 10_000), ("armani", 1 << 20)]
)
def test_stream_ends_as_an_installation_from_a_file(tmp_path, codename, size):
    """After a full and an incremental package both phones' folders are the same.

    The file is read with the other one of the two property strings.
    """
    first, second, third = (find_build(codename, "id", number) for number in range(3))
    file, stream = (make_phone(tmp_path / name, first) for name in ("file", "stream"))
    for ota in (Ota(second), Ota(third, second)):
        blocks, seen = Blocks(ota.data, size), []
        results = ota.stream(stream, blocks, progress=lambda *at, seen=seen: seen.append(at))
        steps = []
        whole = {"property_files": ota.metadata["ota-property-files"]}
        assert ota.install(file, lambda *at, steps=steps: steps.append(at), **whole) == results
        size_of_all = sum(path.stat().st_size for path in ota.target.images.values())
        assert steps == sorted(steps)
        assert steps[-1] == (size_of_all, size_of_all)
        assert snapshot(stream.directory) == snapshot(file.directory)
        assert blocks.recorded == list(range(-(-len(ota.data) // size)))
        assert seen == sorted(seen)
        assert seen[-1] == (len(ota.data), len(ota.data))
        for slots in (file, stream):
            slots.switch()
            assert slots.boot(lambda _: True).build == facts_of(ota.target)
            slots.mark_successful()
    for name, path in third.images.items():
        assert stream.image_path(name).read_bytes() == path.read_bytes()


@pytest.fixture
def delta(key):
    """Make a package with all operations, from OLD to NEW."""
    return Zip(
        build_payload([delta_part()], minor=4, key=key, more=field(14, 2000)),
        key,
        **{METADATA: (FULL_TEXT + FROM_OLD).encode()},
    )


@pytest.mark.parametrize(("size", "left"), [(4096, 1), (5000, 2), (20_000, 1), (4096, 3)])
def test_every_operation_after_interruptions(small, delta, certificate, size, left):
    """After any number of interruptions each block was requested once and the image is right."""
    recorded = []
    for _ in range(100):
        blocks = Blocks(delta.data, size, left=left)
        try:
            delta.install("stream", small, certificate, blocks=blocks)
        except OSError:
            recorded += blocks.recorded
            assert small.boot(lambda _: True) == BootOutcome(RUNNING)
            continue
        recorded += blocks.recorded
        break
    assert recorded == list(range(-(-len(delta.data) // size)))
    assert (small.target_directory / "system.img").read_bytes() == NEW
    assert not list((small.directory / "update").iterdir())


def size_of(path):
    """Return a file's size, or 0 if the installer's other thread has removed it."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def test_stored_part_of_a_package_is_small(slots, builds):
    """Only the head of a package and its incomplete operation are stored."""
    ota, kept = Ota(builds[1]), []

    class Watching(Blocks):
        def read(self, index):
            update = slots.directory / "update"
            kept.append(sum(map(size_of, update.glob("*"))))
            return super().read(index)

    ota.stream(slots, Watching(ota.data, 4096))
    assert max(kept) < len(ota.data) / 3


def test_journal_of_another_package_is_ignored(slots, builds):
    """An installation that was begun for another package is discarded."""
    full, delta = Ota(builds[1]), Ota(builds[1], builds[0])
    with pytest.raises(OSError, match="tunnel"):
        full.stream(slots, Blocks(full.data, left=5))
    blocks = Blocks(delta.data)
    delta.stream(slots, blocks)
    assert blocks.recorded[0] == 0
    for name, path in builds[1].images.items():
        assert (slots.target_directory / f"{name}.img").read_bytes() == path.read_bytes()


def test_complete_slot_is_not_fetched_again(slots, builds):
    """A phone that stopped before the switch uses the complete slot, unless it was changed."""
    ota = Ota(builds[1])
    results = ota.stream(slots)
    blocks = Blocks(ota.data)
    assert ota.stream(slots, blocks) == results
    assert blocks.recorded == []
    image = slots.target_directory / "system.img"
    image.write_bytes(bytes(image.stat().st_size))
    assert ota.stream(slots, blocks) == results
    assert blocks.recorded != []
    assert image.read_bytes() == builds[1].images["system"].read_bytes()


def test_resumed_package_is_checked_again(slots, builds):
    """Device and build are checked again when an installation is resumed."""
    ota = Ota(builds[1])
    for change, words in (({"codename": "cancro"}, "another device"), ({"facts": RUNNING}, "post")):
        with pytest.raises(OSError, match="tunnel"):
            ota.stream(slots, Blocks(ota.data, left=5))
        blocks = Blocks(ota.data)
        with pytest.raises(PackageError, match=words):
            ota.stream(slots, blocks, **change)
        assert blocks.recorded == []
        assert slots.is_begun


@pytest.mark.parametrize("what", ["journal.json", "head", "image", "carry", "other block size"])
def test_a_damaged_journal_only_costs_time(small, delta, certificate, what):
    """If a file of an interrupted update is damaged or missing, the update starts over."""
    size = 4096
    with pytest.raises(OSError, match="tunnel"):
        delta.install("stream", small, certificate, blocks=Blocks(delta.data, size, left=4))
    update = small.directory / "update"
    if what == "image":
        (small.target_directory / "system.img").unlink()
    elif what == "carry":
        (path,) = update.glob("carry-*")
        path.write_bytes(b"short")
    elif what == "other block size":
        size = 5000
    else:
        (update / what).write_bytes((update / what).read_bytes()[:-1])
    blocks = Blocks(delta.data, size)
    delta.install("stream", small, certificate, blocks=blocks)
    assert blocks.recorded[0] == 0
    assert (small.target_directory / "system.img").read_bytes() == NEW


@pytest.mark.parametrize("what", ["image", "carry"])
def test_changed_bytes_of_an_interrupted_update_are_noticed(small, delta, certificate, what):
    """Changed bytes end in a refusal, and the next attempt succeeds."""
    with pytest.raises(OSError, match="tunnel"):
        delta.install("stream", small, certificate, blocks=Blocks(delta.data, 4096, left=5))
    if what == "image":
        path = small.target_directory / "system.img"
    else:
        (path,) = (small.directory / "update").glob("carry-*")
    path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:])
    with pytest.raises(EngineError):
        delta.install("stream", small, certificate)
    assert small.is_begun
    delta.install("stream", small, certificate)
    assert (small.target_directory / "system.img").read_bytes() == NEW


def test_wrong_block_is_fetched_again(slots, builds):
    """A wrong block is refused, and later only the missing blocks are requested."""
    ota = Ota(builds[1])
    wrong = bytearray(ota.data)
    # This damages an operation; each is smaller than two blocks.
    wrong[7 * BLOCK + BLOCK // 2 : 7 * BLOCK + BLOCK // 2 + 9] = b"corrupted"
    with pytest.raises(PackageError, match="damaged"):
        ota.stream(slots, Blocks(bytes(wrong)))
    blocks = Blocks(ota.data)
    ota.stream(slots, blocks)
    assert blocks.recorded[0] in {0, 7}
    for name, path in builds[1].images.items():
        assert (slots.target_directory / f"{name}.img").read_bytes() == path.read_bytes()


def test_changed_byte_leaves_the_phone_as_it_was(tmp_path, slots, builds):
    """No package with a changed byte can be booted, and a retry succeeds."""
    ota = Ota(builds[1], builds[0])
    good = ota.data
    before = snapshot(slots.directory)
    for at in range(0, len(good), 631):
        with pytest.raises(EngineError):
            ota.stream(slots, Blocks(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :]))
        assert not slots.state.slots["b"].bootable
        assert slots.state.slots["b"].build is None
    after = snapshot(slots.directory)
    assert {name: after[name] for name in before} == before
    ota.stream(slots)
    other = make_phone(tmp_path / "other", builds[0])
    ota.stream(other)
    assert snapshot(other.directory) == snapshot(slots.directory)


def test_metadata_after_the_payload_prevents_streaming(small, certificate, key):
    """Its target would be known only after writing; installed as a file it is accepted."""
    payload = build_payload([full_part("system", noise(1, 3))], key=key, more=field(14, 2000))
    package = Zip(payload, key, **{METADATA: FULL_TEXT.encode()})
    late = Zip(
        payload,
        key,
        order=("payload.bin", METADATA, "payload_properties.txt"),
        **{METADATA: FULL_TEXT.encode()},
    )
    assert package.install("stream", small, certificate)
    small.begin_update()
    before = snapshot(small.directory)
    with pytest.raises(NotStreamableError, match="metadata follows"):
        late.install("stream", small, certificate)
    assert snapshot(small.directory) == before
    assert late.install("file", small, certificate)

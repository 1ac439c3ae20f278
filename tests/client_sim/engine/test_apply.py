import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from client_sim.engine.apply import check_sources, write_partitions
from client_sim.engine.errors import ApplyError, EngineError
from tests.client_sim.engine.images import NEW, OLD, delta_part, noise
from tests.client_sim.engine.payload_builder import BLOCK, Op, Part, build_payload, full_part
from tests.client_sim.engine.power_cut import CountingDisk
from tests.client_sim.engine.streamed import open_payload

SOURCES = {"kernel": "disk_ext2_4k_empty.img", "root": "disk_sqfs_empty.img"}
TARGETS = {"kernel": "disk_ext2_4k.img", "root": "disk_sqfs_default.img"}


@pytest.fixture
def old_dir(tmp_path):
    """Make a folder with the old image of `system`."""
    folder = tmp_path / "old"
    folder.mkdir()
    (folder / "system.img").write_bytes(OLD)
    return folder


@pytest.fixture
def new_dir(tmp_path):
    """Make an empty folder for new images."""
    folder = tmp_path / "new"
    folder.mkdir()
    return folder


def apply_payload(payload, source, target, **options):
    """Check the old images and write the new ones, as an installation does."""
    check_sources(payload, source)
    return write_partitions(payload, source, target, **options)


def _source_in(folder):
    return lambda name: folder / f"{name}.img"


def _no_source(name):
    raise AssertionError(name)


@pytest.mark.parametrize("kind", ["full", "delta"])
@pytest.mark.needs("samples")
def test_aosp_payloads_give_their_target_images(samples, tmp_path, new_dir, kind):
    """AOSP's full and delta payloads give exactly the images that they were made for."""
    for name, image in SOURCES.items():
        (tmp_path / f"{name}.img").write_bytes(samples[image])
    payload = open_payload(samples[f"{kind}_payload.bin"])
    source = _no_source if kind == "full" else _source_in(tmp_path)
    results = apply_payload(payload, source, new_dir)
    for name, image in TARGETS.items():
        assert (new_dir / f"{name}.img").read_bytes() == samples[image]
    assert [(result.name, result.size, result.sha256) for result in results] == [
        ("kernel", 4194304, "c51d9edeaf1043efe41257caebc1336ac21e411abb6ed4183324be6e841c448c"),
        ("root", 12288, "5610597d03d3e29f01d722bd743296ef68d076f623c1dca2eb135347c6b8efba"),
    ]


def test_a_missing_or_other_source_is_refused(old_dir):
    """A source that is missing, shorter, longer or different is refused."""
    payload = open_payload(build_payload([delta_part()], minor=4))
    (old_dir / "system.img").unlink()
    for old in (None, OLD[:-BLOCK], OLD + bytes(BLOCK), noise(9, 8)):
        if old is not None:
            (old_dir / "system.img").write_bytes(old)
        with pytest.raises(ApplyError, match="install the full package"):
            check_sources(payload, _source_in(old_dir))


def test_every_operation_gives_the_new_image(old_dir, new_dir):
    """A delta with all eight operations gives the expected image, and reports progress."""
    seen = []
    apply_payload(
        open_payload(build_payload([delta_part()], minor=4)),
        _source_in(old_dir),
        new_dir,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert (new_dir / "system.img").read_bytes() == NEW
    assert [done // BLOCK for done, _ in seen] == [2, 4, 6, 9, 12, 13, 14, 15]
    assert {total for _, total in seen} == {15 * BLOCK}
    assert (old_dir / "system.img").read_bytes() == OLD


def test_zeros_stay_holes(new_dir):
    """Zeros take no room on the disk, also over data of an earlier attempt."""
    new = noise(1, 1) + bytes(256 * BLOCK)
    op = Op(type=0, dst=((0, 257),), data=new)
    for before in (b"", b"\xff" * 9 * BLOCK):
        (new_dir / "system.img").write_bytes(before)
        payload = open_payload(build_payload([Part(name="system", new=new, ops=(op,))]))
        apply_payload(payload, _no_source, new_dir)
        assert (new_dir / "system.img").read_bytes() == new
        assert (new_dir / "system.img").stat().st_blocks * 512 < 16 * BLOCK


def test_image_with_another_hash_is_refused(new_dir):
    """Intact operations that write another image than promised end in a refusal."""
    op = Op(type=0, dst=((0, 1),), data=noise(1, 1))
    payload = open_payload(build_payload([Part(name="system", new=noise(2, 1), ops=(op,))]))
    with pytest.raises(ApplyError, match="not what the package promises"):
        apply_payload(payload, _no_source, new_dir)


def test_new_images_are_synced_before_the_end(new_dir):
    """Each image is synced, and then its folder."""
    disk = CountingDisk()
    payload = open_payload(
        build_payload([full_part("a", noise(1, 1)), full_part("b", noise(2, 1))])
    )
    apply_payload(payload, _no_source, new_dir, disk=disk)
    assert disk.steps == [*(["create", "write", "sync"] * 2), "sync_directory"]


GOOD = build_payload([delta_part()], minor=4)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_mutated_payloads(old_dir, new_dir, data):
    """A changed unsigned payload gives an `EngineError` or exactly the image that it promises."""
    mutated = bytearray(GOOD)
    for _ in range(data.draw(st.integers(1, 3))):
        # Two thirds of the changes are in the header and the manifest.
        end = data.draw(st.sampled_from([24, 1000, len(mutated)]))
        at = data.draw(st.integers(0, min(end, len(mutated)) - 1))
        mutated[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.sampled_from([None, None, None, -1, 500]))
    try:
        payload = open_payload(bytes(mutated[:cut]))
        (result,) = apply_payload(payload, lambda _: old_dir / "system.img", new_dir)
    except EngineError:
        return
    assert (new_dir / f"{result.name}.img").read_bytes() == NEW

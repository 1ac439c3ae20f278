import base64
import io
import shutil

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from client_sim.engine.boot_state import BuildFacts
from client_sim.engine.errors import ApplyError, EngineError, PackageError, SignatureError
from client_sim.engine.install import install_package, install_stream
from client_sim.engine.slots import BootOutcome, Slots
from fixtures.catalogue import CODENAMES, find_build
from tests.client_sim.engine.images import OLD, delta_part, noise
from tests.client_sim.engine.ota_zip import Zip
from tests.client_sim.engine.payload_builder import build_payload, field, full_part
from tests.client_sim.engine.power_cut import CountingDisk, DyingDisk, PowerCut
from tests.client_sim.engine.streamed import Blocks, Ota, facts_of, make_phone, snapshot


@pytest.mark.parametrize("codename", CODENAMES)
@pytest.mark.parametrize("region", ["id", "eu"])
@pytest.mark.parametrize("key", ["ota-property-files", "ota-streaming-property-files"])
def test_fixture_packages_install_end_to_end(tmp_path, codename, region, key):
    """A full package, then an incremental, lead from the factory's images to exactly build 2's."""
    first, second, third = (find_build(codename, region, number) for number in range(3))
    slots = make_phone(tmp_path / "phone", first)
    for ota, slot in ((Ota(second), "b"), (Ota(third, second), "a")):
        seen = []
        ota.install(
            slots,
            property_files=ota.metadata[key],
            progress=lambda done, total, seen=seen: seen.append((done, total)),
        )
        assert seen == sorted(seen)
        assert (
            seen[-1][0]
            == seen[-1][1]
            == sum(path.stat().st_size for path in ota.target.images.values())
        )
        assert slots.running_build != facts_of(ota.target)
        slots.switch()
        assert slots.boot(lambda _: True) == BootOutcome(slot, facts_of(ota.target))
        slots.mark_successful()
        for name, path in ota.target.images.items():
            assert slots.image_path(name).read_bytes() == path.read_bytes()


@pytest.fixture
def builds():
    """Give builds 0, 1 and 2 of one model."""
    return [find_build("armani", "id", number) for number in range(3)]


@pytest.fixture
def slots(tmp_path, builds):
    """Make a phone with build 0."""
    return make_phone(tmp_path / "phone", builds[0])


def _refuse(slots, ota, words, error=PackageError, **changes):
    before = snapshot(slots.directory)
    with pytest.raises(error, match=words):
        ota.install(slots, **changes)
    assert snapshot(slots.directory) == before


def test_a_package_is_left_ready_but_not_active(slots, builds):
    """Installing alone changes nothing about what boots next."""
    Ota(builds[1]).install(slots)
    assert slots.state.active == "a"
    assert slots.boot(lambda _: True) == BootOutcome("a", facts_of(builds[0]))


def test_wrong_packages_change_nothing_on_the_disk(slots, builds):
    """Another device, another build, another signer, another start: refused before any write."""
    full = Ota(builds[1])
    _refuse(slots, full, "another device", codename="cancro")
    _refuse(slots, full, "post-build is not", facts=facts_of(builds[2]))
    _refuse(slots, full, "cannot be read", SignatureError, certificate=b"")
    _refuse(slots, Ota(builds[2], builds[1]), "does not start from the running build")
    _refuse(slots, full, "FILE_SIZE", payload_properties={**full.properties, "FILE_SIZE": "0x1"})


def test_an_incremental_on_a_changed_image_changes_nothing(slots, builds):
    """A build with the right name and other bytes is noticed before anything is written."""
    path = slots.image_path("product")
    path.write_bytes(bytes(path.stat().st_size))
    _refuse(slots, Ota(builds[1], builds[0]), "product is not the one", ApplyError)


def test_truncated_and_damaged_packages_change_nothing(slots, builds):
    """A package that ends early or has a byte flipped in its payload is refused."""
    ota = Ota(builds[1])
    good = ota.data
    for size in (0, 100, len(good) // 2, good.rindex(b"payload_properties.txt") - 2000):
        ota.data = good[:size]
        _refuse(slots, ota, "ends before its part", EngineError)
    start = int(ota.metadata["ota-streaming-property-files"].split(":")[1])
    for offset, words in ((0, "CrAU"), (30, "METADATA_HASH"), (5000, "FILE_HASH")):
        at = start + offset
        ota.data = good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :]
        _refuse(slots, ota, words, EngineError)


def test_an_older_package_is_refused(tmp_path, builds):
    """A phone on build 2 does not take build 1, however well it is signed."""
    slots = make_phone(tmp_path / "newer", builds[2])
    _refuse(slots, Ota(builds[1]), "older than the running build")


METADATA_TEXT = (
    "ota-type=AB\npre-device=armani\npost-build=new\npost-build-incremental=2\n"
    "post-timestamp=2000\npost-security-patch-level=2026-03-05\n"
)
RUNNING = BuildFacts("old", "1", 1, 1000, "2026-01-05")
EXPECTED = BuildFacts("new", "2", 2, 2000, "2026-03-05")
FROM_OLD = "pre-build=old\npre-build-incremental=1\n"


METADATA = "META-INF/com/android/metadata"
PROPERTIES = "payload_properties.txt"
WAYS = ["file", "stream"]


@pytest.fixture
def small(tmp_path):
    """Make a phone whose one partition holds OLD."""
    image = tmp_path / "image"
    image.write_bytes(OLD)
    slots = Slots(tmp_path / "phone")
    slots.flash_factory({"system": image}, RUNNING)
    return slots


def _install(way, slots, package, certificate, properties=None):
    arguments = {
        "sha256": package.sha256,
        "property_files": package.property_files,
        "payload_properties": properties or package.properties,
        "certificate": certificate,
        "facts": EXPECTED,
        "codename": "armani",
    }
    if way == "file":
        return install_package(io.BytesIO(package.data), slots, **arguments)
    return install_stream(Blocks(package.data, 4096), slots, **arguments)


def _full_payload(key):
    return build_payload([full_part("system", noise(1, 3))], key=key, more=field(14, 2000))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("signer", ["unsigned", "another"])
def test_a_package_right_but_for_its_whole_file_signature(small, key, certificate, way, signer):
    """Hashes and payload signatures hold, and it is refused: nothing of it can be started."""
    other = rsa.generate_private_key(65537, 2048) if signer == "another" else None
    package = Zip(_full_payload(key), other, **{METADATA: METADATA_TEXT.encode()})
    with pytest.raises(SignatureError, match="not signed by" if other else "no whole-file"):
        _install(way, small, package, certificate)
    assert small.is_begun
    assert not list(small.target_directory.iterdir())
    right = Zip(_full_payload(key), key, **{METADATA: METADATA_TEXT.encode()})
    assert _install(way, small, right, certificate)


@pytest.mark.parametrize("way", WAYS)
def test_properties_inside_the_package_are_the_signed_ones(small, key, certificate, way):
    """What the zip says of its payload is compared with what the release says."""
    text = b"".join(
        b"%s=%s\n" % (name.encode(), value.encode())
        for name, value in {**_properties(key), "FILE_SIZE": "1"}.items()
    )
    package = Zip(_full_payload(key), key, **{METADATA: METADATA_TEXT.encode(), PROPERTIES: text})
    with pytest.raises(PackageError, match="not what the release states"):
        _install(way, small, package, certificate)
    assert small.is_begun


@pytest.mark.parametrize("way", WAYS)
def test_a_payload_with_another_hash_than_the_signed_one(small, key, certificate, way):
    """FILE_HASH is compared, also where release and zip agree on a wrong one."""
    wrong = {**_properties(key), "FILE_HASH": base64.b64encode(bytes(32)).decode()}
    text = "".join(f"{name}={value}\n" for name, value in wrong.items()).encode()
    package = Zip(_full_payload(key), key, **{METADATA: METADATA_TEXT.encode(), PROPERTIES: text})
    with pytest.raises(PackageError, match="FILE_HASH"):
        _install(way, small, package, certificate, wrong)
    assert small.is_begun


def _properties(key):
    return Zip(_full_payload(key), key).properties


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("parts", "text", "more", "words"),
    [
        ("full", METADATA_TEXT + FROM_OLD, {"more": field(14, 2000)}, "disagree"),
        ("delta", METADATA_TEXT, {"more": field(14, 2000), "minor": 4}, "disagree"),
        ("full", METADATA_TEXT, {"more": field(14, 999)}, "payload is older"),
        ("full", METADATA_TEXT, {}, "payload is older"),
        ("full", METADATA_TEXT, {"more": field(14, 1000) + field(18, "2025-12-05")}, "patch level"),
        ("other", METADATA_TEXT, {"more": field(14, 1000)}, "leaves out the partition system"),
    ],
)
def test_payloads_that_do_not_fit_the_phone_change_nothing(
    small, key, certificate, way, parts, text, more, words
):
    """A payload of another kind than announced, an older or an incomplete one is refused."""
    part = {
        "full": full_part("system", noise(1, 3)),
        "delta": delta_part(),
        "other": full_part("vendor", noise(1, 3)),
    }[parts]
    package = Zip(
        build_payload([part], key=key, **more),
        key,
        **{METADATA: text.encode()},
    )
    before = snapshot(small.directory)
    with pytest.raises(EngineError, match=words):
        _install(way, small, package, certificate)
    assert snapshot(small.directory) == before


def test_a_power_cut_at_any_step_of_an_installation(tmp_path, builds):
    """Whichever step fails, the phone boots its old build, and a retry ends as without the cut."""
    ota = Ota(builds[1], builds[0])
    make_phone(tmp_path / "template", builds[0])
    shutil.copytree(tmp_path / "template", tmp_path / "whole")
    counting = CountingDisk()
    ota.install(Slots(tmp_path / "whole", disk=counting))
    expected = snapshot(tmp_path / "whole")
    assert len(counting.steps) > 15
    for last in range(len(counting.steps)):
        folder = tmp_path / f"phone-{last}"
        shutil.copytree(tmp_path / "template", folder)
        with pytest.raises(PowerCut):
            ota.install(Slots(folder, disk=DyingDisk(last)))
        slots = Slots(folder)
        assert slots.boot(lambda _: True) == BootOutcome("a", facts_of(builds[0]))
        ota.install(slots)
        assert snapshot(folder) == expected
        slots.switch()
        assert slots.boot(lambda _: True) == BootOutcome("b", facts_of(builds[1]))
        shutil.rmtree(folder)


def test_a_build_that_fails_to_boot_can_be_told_apart(slots, builds):
    """After a failed boot the old build runs, and the failed one is named until the next update."""
    ota = Ota(builds[1])
    ota.install(slots)
    slots.switch()
    outcome = slots.boot(lambda build: build.counter == 1)
    assert (outcome.build, outcome.failed_build) == (facts_of(builds[0]), facts_of(builds[1]))
    assert slots.failed_build == facts_of(builds[1])

import base64
import re
import shutil

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from client_sim.engine.errors import ApplyError, EngineError, PackageError, SignatureError
from client_sim.engine.slots import BootOutcome, Slots
from fixtures.build import build_zip
from fixtures.catalogue import find_build
from fixtures.hostile_payloads import hostile_payloads
from tests.cases import case
from tests.client_sim.engine.images import delta_part, noise
from tests.client_sim.engine.ota_zip import FULL_TEXT, METADATA, Zip
from tests.client_sim.engine.payload_builder import build_payload, field, full_part
from tests.client_sim.engine.power_cut import CountingDisk, DyingDisk, PowerCut
from tests.client_sim.engine.streamed import Ota, facts_of, make_phone, snapshot

WAYS = ["file", "stream"]


def _install(way, ota, slots, **changes):
    return (ota.install if way == "file" else ota.stream)(slots, **changes)


def _refuse(way, ota, slots, words, error=PackageError, **changes):
    before = snapshot(slots.directory)
    with pytest.raises(error, match=words):
        _install(way, ota, slots, **changes)
    assert snapshot(slots.directory) == before


@pytest.mark.parametrize("way", WAYS)
def test_wrong_packages_change_nothing_on_the_disk(slots, builds, way):
    """A package for another device, build, signer or start is refused before any write."""
    full, delta = Ota(builds[1]), Ota(builds[1], builds[0])
    _refuse(way, full, slots, "another device", codename="cancro")
    _refuse(way, full, slots, "post-build is not", facts=facts_of(builds[2]))
    _refuse(way, full, slots, "cannot be read", SignatureError, certificate=b"")
    _refuse(way, Ota(builds[2], builds[1]), slots, "does not start from the running build")
    properties = {**full.properties, "FILE_SIZE": "0x1"}
    _refuse(way, full, slots, "FILE_SIZE", payload_properties=properties)
    path = slots.image_path("product")
    path.write_bytes(bytes(path.stat().st_size))
    _refuse(way, delta, slots, "product is not the one", ApplyError)


def test_damaged_packages_change_nothing(slots, builds):
    """A package that is cut or has a flipped byte is refused."""
    ota = Ota(builds[1])
    good = ota.data
    for size in (0, 1, 100, len(good) // 2, len(good) - 1):
        ota.data = good[:size]
        with pytest.raises(EngineError):
            ota.stream(slots)
        assert slots.is_begun
        if size < len(good) - 1:
            _refuse("file", ota, slots, "ends before its part", EngineError)
    start = int(ota.metadata["ota-streaming-property-files"].split(":")[1])
    for offset, words in ((0, "CrAU"), (30, "METADATA_HASH"), (5000, "FILE_HASH")):
        at = start + offset
        ota.data = good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :]
        _refuse("file", ota, slots, words, EngineError)


def _full_payload(key):
    return build_payload([full_part("system", noise(1, 3))], key=key, more=field(14, 2000))


@pytest.mark.parametrize("way", WAYS)
def test_wrong_whole_file_signature(small, key, certificate, way):
    """With valid hashes and payload signatures it is refused, and nothing can be booted."""
    other = rsa.generate_private_key(65537, 2048)
    for signer, words in ((None, "no whole-file"), (other, "not signed by")):
        package = Zip(_full_payload(key), signer, **{METADATA: FULL_TEXT.encode()})
        with pytest.raises(SignatureError, match=words):
            package.install(way, small, certificate)
        assert small.is_begun
        assert not list(small.target_directory.iterdir())
    right = Zip(_full_payload(key), key, **{METADATA: FULL_TEXT.encode()})
    assert right.install(way, small, certificate)


@pytest.mark.parametrize("way", WAYS)
def test_wrong_file_hash(small, key, certificate, way):
    """FILE_HASH is compared even if release and zip have the same wrong one."""
    properties = Zip(_full_payload(key), key).properties
    wrong = {**properties, "FILE_HASH": base64.b64encode(bytes(32)).decode()}
    text = "".join(f"{name}={value}\n" for name, value in wrong.items()).encode()
    package = Zip(
        _full_payload(key), key, **{METADATA: FULL_TEXT.encode(), "payload_properties.txt": text}
    )
    with pytest.raises(PackageError, match="FILE_HASH"):
        package.install(way, small, certificate, properties=wrong)
    assert small.is_begun


@pytest.mark.parametrize("way", WAYS)
def test_payloads_that_do_not_fit_the_phone_change_nothing(small, key, certificate, way):
    """A payload of another kind, an older and an incomplete one are refused."""
    before = snapshot(small.directory)
    full = full_part("system", noise(1, 3))
    for part, more, words in (
        (delta_part(), {"more": field(14, 2000), "minor": 4}, "disagree"),
        (full, {}, "payload is older"),
        (full, {"more": field(14, 1000) + field(18, "2025-12-05")}, "patch level"),
        (full_part("vendor", noise(1, 3)), {"more": field(14, 1000)}, "leaves out the partition"),
    ):
        package = Zip(build_payload([part], key=key, **more), key, **{METADATA: FULL_TEXT.encode()})
        with case(words), pytest.raises(EngineError, match=words):
            package.install(way, small, certificate)
        assert snapshot(small.directory) == before


@pytest.mark.parametrize(
    ("way", "source", "stride"), [("file", 0, 1), ("stream", 0, 1), ("stream", None, 9)]
)
def test_a_power_cut_at_any_step_of_an_installation(tmp_path, builds, way, source, stride):
    """After the cut the old build boots, and the resumed installation ends as without a cut.

    A full package has the same kinds of steps as an incremental: every ninth is cut.
    """
    ota = Ota(builds[1], None if source is None else builds[source])
    make_phone(tmp_path / "template", builds[0])
    shutil.copytree(tmp_path / "template", tmp_path / "whole")
    counting = CountingDisk()
    _install(way, ota, Slots(tmp_path / "whole", disk=counting))
    expected = snapshot(tmp_path / "whole")
    assert len(counting.steps) > (15 if way == "file" else 50)
    for last in range(0, len(counting.steps), stride):
        folder = tmp_path / f"phone-{last}"
        shutil.copytree(tmp_path / "template", folder)
        with pytest.raises(PowerCut):
            _install(way, ota, Slots(folder, disk=DyingDisk(last)))
        slots = Slots(folder)
        assert slots.boot(lambda _: True) == BootOutcome(facts_of(builds[0]))
        _install(way, ota, slots)
        assert snapshot(folder) == expected
        shutil.rmtree(folder)
    whole = Slots(tmp_path / "whole")
    whole.switch()
    assert whole.boot(lambda _: True) == BootOutcome(facts_of(builds[1]))


TARGET = find_build("armani", "id", 1)


def test_hostile_payloads_are_refused_with_a_sentence(slots):
    """Payloads with a valid signature and one fault are refused from a file and as a stream."""
    before = snapshot(slots.directory)
    for name, data in hostile_payloads(build_zip(TARGET, None)).items():
        ota = Ota(TARGET, data=data)
        for install in (ota.install, ota.stream):
            with case(name, install.__name__):
                with pytest.raises(EngineError) as caught:
                    install(slots)
                assert re.fullmatch(r"[A-Z][^\n]{10,200}\.", str(caught.value))
                assert slots.is_begun
    after = snapshot(slots.directory)
    assert {path: after[path] for path in before} == before

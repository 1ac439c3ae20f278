import hashlib
import zipfile
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from fixtures.build import build_payload, build_zip
from fixtures.catalogue import Package, find_build
from fixtures.newer import newer_packages
from fixtures.ota_writer import write_ota
from fixtures.repack import sealed, split_members, with_text
from fixtures.signing import KEYS
from fixtures.zip_writer import DEFLATED, STORED, Member, write_zip
from signer.ota.errors import OtaError, SignatureError
from signer.ota.inspect import inspect_ota
from signer.ota.summary import Signed
from tests.cases import case

OTHER_CERTIFICATE = KEYS / "FIXTURE-ONLY-other.cert.pem"


def test_facts_of_full_package(package: Path, full: bytes, certificate: bytes) -> None:
    """The facts are those of the catalogue; progress counts bytes up to the length."""
    seen: list[tuple[int, int]] = []
    facts = inspect_ota(
        package,
        certificate=certificate,
        codename="armani",
        progress=lambda done, total: seen.append((done, total)),
    )
    assert seen[-1] == (len(full), len(full))
    assert facts.path == package
    assert facts.length == len(full)
    assert facts.sha256 == hashlib.sha256(full).hexdigest()
    assert (facts.ota_type, facts.type) == ("AB", "full")
    assert facts.devices == ("armani",)
    assert facts.fingerprint == (
        "Hening/armani/armani:14/UKQ1.250101.001/1.2.0-id:user/release-keys"
    )
    assert facts.incremental == "1.2.0-id"
    assert facts.source_builds == ()
    assert facts.post_timestamp == 1778464800  # 2026-05-11T02:00:00Z
    assert facts.sdk_level == 34
    assert facts.security_patch_level == "2026-05-05"
    assert not any((facts.wipe, facts.downgrade, facts.spl_downgrade, facts.partial))
    assert facts.unknown == ()
    assert (facts.minor_version, facts.block_size) == (0, 4096)
    assert facts.signed == Signed(payload=True, whole_file=True)


def test_partitions_and_property_files(package: Path, full: bytes) -> None:
    """Sizes and hashes are those of the images; the offsets lead into the file."""
    facts = inspect_ota(package)
    assert facts.signed == Signed(payload=False, whole_file=False)  # without a certificate
    images = find_build("armani", "id", 2).images
    assert [each.name for each in facts.partitions] == ["system", "product"]
    for each in facts.partitions:
        image = images[each.name].read_bytes()
        assert (each.size, each.sha256) == (len(image), hashlib.sha256(image).hexdigest())
        assert set(each.operations) <= {"REPLACE", "REPLACE_BZ", "REPLACE_XZ"}
        assert sum(each.operations.values()) > 0
        assert (each.source_size, each.source_sha256) == (0, "")
    spans = {
        name: (int(offset), int(size))
        for name, offset, size in (token.split(":") for token in facts.property_files.split(","))
    }
    offset, size = spans["payload.bin"]
    assert full[offset : offset + 4] == b"CrAU"
    assert facts.payload_properties["FILE_SIZE"] == str(size)
    assert facts.property_files.endswith("," + facts.streaming_property_files.split(",", 1)[1])
    assert facts.property_files.startswith("payload_metadata.bin:")


@pytest.mark.parametrize(
    ("codename", "region"), [("armani", "id"), ("cancro", "eu"), ("dior", "eu")]
)
def test_facts_of_incremental(
    codename: str, region: str, tmp_path: Path, certificate: bytes
) -> None:
    """An incremental of each model names its source build."""
    target, source = (find_build(codename, region, number) for number in (1, 0))
    path = tmp_path / "step.zip"
    path.write_bytes(build_zip(target, source))
    facts = inspect_ota(path, certificate=certificate, codename=codename)
    assert facts.type == "incremental"
    assert facts.source_builds == (source.fingerprint,)
    assert facts.source_incrementals == (source.incremental,)
    assert facts.incremental == target.incremental
    difference = "BROTLI_BSDIFF" if codename == "dior" else "SOURCE_BSDIFF"
    assert {difference, "SOURCE_COPY", "ZERO"} <= set(facts.partitions[0].operations)
    assert facts.minor_version == (7 if codename == "dior" else 4)
    for each in facts.partitions:
        image = source.image(each.name).read_bytes()
        assert each.source_size == len(image)
        assert each.source_sha256 == hashlib.sha256(image).hexdigest()


def test_unsigned_package_without_certificate(tmp_path: Path, full: bytes) -> None:
    """Without a certificate a package needs no whole-file signature."""
    path = tmp_path / "package.zip"
    path.write_bytes(write_zip(split_members(full)))
    assert inspect_ota(path).type == "full"


def test_other_certificate_is_refused_without_otacert(tmp_path: Path, full: bytes) -> None:
    """The payload's signatures decide if the package encloses no certificate."""
    path, members = tmp_path / "package.zip", split_members(full)
    # Replace it by a filler of the same length, so that no offset changes.
    (otacert,) = (each for each in members if each.name.endswith("otacert"))
    gap = len(otacert.data) + len(otacert.name) - len("filler.bin")
    members.remove(otacert)
    path.write_bytes(sealed([*members[:2], Member("filler.bin", b"x" * gap), *members[2:]]))
    with pytest.raises(SignatureError, match="metadata signature is not by the given certificate"):
        inspect_ota(path, certificate=OTHER_CERTIFICATE.read_bytes())


def test_contradicting_flag_is_refused(tmp_path: Path, full: bytes) -> None:
    """A flag that only the text metadata sets is refused."""
    path = tmp_path / "package.zip"
    wiping = with_text(
        full, lambda text: text.replace("post-build=", "ota-wipe=yes\npost-build=", 1)
    )
    path.write_bytes(wiping)
    with pytest.raises(OtaError, match="disagree about"):
        inspect_ota(path)


def test_newer_format_is_named(tmp_path: Path, certificate: bytes) -> None:
    """A package of a newer format is checked completely; the facts name what is unknown."""
    newer = newer_packages(find_build("armani", "id", 2), find_build("armani", "id", 1))
    for name in sorted(newer):
        with case(name):
            path = tmp_path / "package.zip"
            path.write_bytes(newer[name])
            facts = inspect_ota(path, certificate=certificate, codename="armani")
            assert facts.unknown == (name,)
            assert facts.signed == Signed(payload=True, whole_file=True)


def test_package_with_zip64_records(tmp_path: Path, certificate: bytes) -> None:
    """The facts are the same as without them."""
    wanted = Package(find_build("armani", "id", 2))
    path, payload = tmp_path / "package.zip", build_payload(wanted)
    path.write_bytes(write_ota(wanted, payload, zip64=True))
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
    facts = inspect_ota(path, certificate=certificate, codename="armani")
    assert facts.fingerprint == wanted.target.fingerprint
    assert facts.signed == Signed(payload=True, whole_file=True)


def test_package_of_signapk(tmp_path: Path, certificate: bytes) -> None:
    """The extra fields of AOSP's tool put the metadata at offset 69, as in every real package."""
    wanted, path = Package(find_build("armani", "id", 2)), tmp_path / "package.zip"
    path.write_bytes(write_ota(wanted, build_payload(wanted), signapk=True))
    facts = inspect_ota(path, certificate=certificate, codename="armani")
    assert ",metadata:69:" in facts.property_files


def test_every_entry_is_checked(tmp_path: Path, full: bytes) -> None:
    """An unneeded entry must match its size and checksum, too."""
    path = tmp_path / "package.zip"
    data = b"".join(bytes([each]) * 64 for each in Random(2014).randbytes(17 << 14))
    for method in (STORED, DEFLATED):
        more = Member("vendor.img", data, method)
        path.write_bytes(sealed([*split_members(full), more]))
        assert inspect_ota(path).type == "full"
        path.write_bytes(sealed([*split_members(full), replace(more, claimed_crc=1)]))
        with pytest.raises(OtaError, match=r"vendor\.img do not match the zip's size and checksum"):
            inspect_ota(path)


def test_missing_file(tmp_path):
    """A missing file raises OSError, so the exit status is 3; a folder is refused."""
    with pytest.raises(FileNotFoundError):
        inspect_ota(tmp_path / "nothing.zip")
    with pytest.raises(OtaError, match="is not a regular file"):
        inspect_ota(tmp_path)

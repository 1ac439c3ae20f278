"""Third-party payload readers produce the committed images from hening's test packages.

Each reader has its own environment under `.venv-readers/`, because both install a module of the
same name.
"""

import hashlib
import subprocess
import zipfile
from pathlib import Path

import pytest

from fixtures.build import build_zip
from fixtures.catalogue import CODENAMES, PARTITIONS, REGIONS, Build, find_build

pytestmark = pytest.mark.needs("readers")

READERS = Path(__file__).parents[2] / ".venv-readers"
# Version 0.3.0 of this reader knows SOURCE_BSDIFF but not BROTLI_BSDIFF, which dior uses.
BSDIFF_MODELS = [codename for codename in CODENAMES if codename != "dior"]


def _run(reader: str, program: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [READERS / reader / "bin" / program, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _read_full(package: bytes, folder: Path) -> subprocess.CompletedProcess[str]:
    path = folder / "full.zip"
    path.write_bytes(package)
    return _run("android-payload-dumper", "payload-dumper", "-o", folder / "out", path)


def _assert_images(build: Build, folder: Path) -> None:
    for partition in PARTITIONS:
        produced = (folder / f"{partition}.img").read_bytes()
        expected = build.image(partition).read_bytes()
        assert hashlib.sha256(produced).digest() == hashlib.sha256(expected).digest()


@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize("codename", CODENAMES)
def test_full_packages_are_accepted(codename: str, region: str, tmp_path: Path) -> None:
    """A reader that checks every hash accepts the full zip and writes exactly the images."""
    build = find_build(codename, region, 2)
    done = _read_full(build_zip(build), tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    _assert_images(build, tmp_path / "out")


def test_flipped_byte_is_refused(tmp_path: Path) -> None:
    """The same reader refuses the zip if one byte of the blobs is flipped."""
    package = bytearray(build_zip(find_build("armani", "id", 1)))
    package[len(package) // 2] ^= 1
    assert _read_full(bytes(package), tmp_path).returncode != 0


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("codename", BSDIFF_MODELS)
def test_incrementals(codename: str, number: int, tmp_path: Path) -> None:
    """A reader of differential payloads turns the old images into the new ones.

    It checks no hash and always exits with 0, so the images are compared here.
    """
    target, source = (find_build(codename, "eu", each) for each in (number, number - 1))
    package, payload, old = tmp_path / "step.zip", tmp_path / "payload.bin", tmp_path / "old"
    package.write_bytes(build_zip(target, source))
    with zipfile.ZipFile(package) as archive:
        payload.write_bytes(archive.read("payload.bin"))
    old.mkdir()
    for partition in PARTITIONS:
        (old / f"{partition}.img").write_bytes(source.image(partition).read_bytes())
    done = _run(
        *("payload-dumper", "payload_dumper", "--diff", "--old", old),
        *("--out", tmp_path / "new", payload),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    _assert_images(target, tmp_path / "new")

"""A fixture's package in blocks, and a phone to install it on."""

import hashlib
import io
import zipfile
from dataclasses import replace
from pathlib import Path

from client_sim.engine.install import Expected, install_package, install_stream
from client_sim.engine.payload import Payload, PayloadFile, decode_header, load_payload
from client_sim.engine.slots import Slots
from client_sim.world import BuildFacts
from fixtures.build import build_zip
from fixtures.catalogue import Build
from fixtures.signing import CERTIFICATE_FILE

CERTIFICATE = CERTIFICATE_FILE.read_bytes()
BLOCK = 16 * 1024


def facts_of(build: Build) -> BuildFacts:
    """Return what a signed release says of a fixture's build."""
    return BuildFacts(
        build.fingerprint,
        build.incremental,
        build.number + 1,
        build.post_timestamp,
        build.security_patch_level,
    )


def make_phone(folder: Path, build: Build) -> Slots:
    """Flash a fixture's build."""
    slots = Slots(folder)
    slots.flash_factory(build.images, facts_of(build))
    return slots


def snapshot(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def open_payload(data: bytes) -> Payload:
    """Load a payload."""
    file = PayloadFile(io.BytesIO(data), 0, len(data))
    return load_payload(file, decode_header(file))


class Blocks:
    """The blocks of some bytes; records the requested ones and fails after `left` of them."""

    def __init__(self, data: bytes, size: int = BLOCK, left: int | None = None) -> None:
        self.data = data
        self.size = size
        self.left = left
        self.recorded: list[int] = []

    @property
    def length(self) -> int:
        """Return the number of bytes."""
        return len(self.data)

    def read(self, index: int) -> bytes:
        """Return one block."""
        if self.left is not None and len(self.recorded) >= self.left:
            raise OSError("tunnel")
        self.recorded.append(index)
        return self.data[index * self.size : (index + 1) * self.size]


class Ota:
    """A fixture's OTA zip, or other `data`, with what the signed release says about it."""

    def __init__(
        self, target: Build, source: Build | None = None, data: bytes | None = None
    ) -> None:
        self.data = build_zip(target, source) if data is None else data
        self.sha256 = hashlib.sha256(self.data).hexdigest()
        with zipfile.ZipFile(io.BytesIO(self.data)) as archive:
            self.metadata = _pairs(archive.read("META-INF/com/android/metadata"))
            self.properties = _pairs(archive.read("payload_properties.txt"))
        self.target = target

    @property
    def expected(self) -> Expected:
        """Return what both kinds of installation get."""
        return Expected(
            sha256=self.sha256,
            property_files=self.metadata["ota-streaming-property-files"],
            payload_properties=self.properties,
            certificate=CERTIFICATE,
            facts=facts_of(self.target),
            codename=self.target.codename,
        )

    def install(self, slots: Slots, progress=None, **changes):
        """Install it from a file, with some expected values changed."""
        expected = replace(self.expected, **changes)
        return install_package(io.BytesIO(self.data), slots, expected, progress=progress)

    def stream(self, slots: Slots, blocks: Blocks | None = None, progress=None, **changes):
        """Install it as a stream, with some expected values changed."""
        expected = replace(self.expected, **changes)
        return install_stream(blocks or Blocks(self.data), slots, expected, progress=progress)


def _pairs(data: bytes) -> dict[str, str]:
    return dict(line.split("=", 1) for line in data.decode().splitlines())

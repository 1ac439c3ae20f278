"""Run one of `WAYS` once and print its time and additional peak memory, as JSON."""

import hashlib
import io
import json
import resource
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.install_parts.memory import begin_peak, read_peak
from client_sim.device.choose import Offer
from client_sim.device.download import Downloads, PackageBlocks
from client_sim.device.internet import RealWorld
from client_sim.engine.decompression import Compression, iter_decompressed
from client_sim.engine.install import Expected, install_package, install_stream
from client_sim.engine.manifest import OperationType
from client_sim.engine.payload import Payload, PayloadFile, decode_header, load_payload
from client_sim.engine.slots import Slots
from client_sim.transport import Connection
from client_sim.world import BuildFacts, Public
from fixtures.catalogue import Build, find_build
from fixtures.signing import CERTIFICATE_FILE

_FORMS = {
    OperationType.REPLACE: Compression.NONE,
    OperationType.REPLACE_BZ: Compression.BZ2,
    OperationType.REPLACE_XZ: Compression.XZ,
}
_METADATA = "META-INF/com/android/metadata"


def peer(path: Path, _port: int, _folder: Path) -> dict[str, float]:
    """Decompress and hash the payload without writing; return the seconds of each kind of work."""
    spent = {"hashing_data": 0.0, "decompressing": 0.0, "hashing_images": 0.0}
    with path.open("rb") as file:
        payload = _open_payload(file)
        whole, image = hashlib.sha256(), hashlib.sha256()
        for partition in payload.manifest.partitions:
            for operation in partition.operations:
                data = payload.read_blob(operation)
                at = time.perf_counter()
                whole.update(data)
                spent["hashing_data"] += time.perf_counter() - at
                at = time.perf_counter()
                form = _FORMS[operation.type]
                pieces = list(iter_decompressed(form, [data], operation.dst_bytes))
                spent["decompressing"] += time.perf_counter() - at
                at = time.perf_counter()
                for piece in pieces:
                    image.update(piece)
                spent["hashing_images"] += time.perf_counter() - at
    return spent


def stream(path: Path, port: int, folder: Path) -> dict[str, float]:
    """Install the package while it is fetched."""
    given = _Given(path)
    with Connection(given.world(port)) as connection:
        install_stream(PackageBlocks(connection, given.offer), _make_phone(folder), given.expected)
    return {}


def whole(path: Path, port: int, folder: Path) -> dict[str, float]:
    """Fetch the whole package, then install it."""
    given = _Given(path)
    with Connection(given.world(port)) as connection:
        package = Downloads(folder / "downloads").fetch(connection, given.offer)
    with package.open("rb") as file:
        install_package(file, _make_phone(folder), given.expected)
    return {}


def _open_payload(file: io.BufferedReader) -> Payload:
    with zipfile.ZipFile(file) as archive:
        entry = archive.getinfo("payload.bin")
        archive.open(entry).close()
    file.seek(entry.header_offset + 26)
    lengths = file.read(4)
    extra = int.from_bytes(lengths[:2], "little") + int.from_bytes(lengths[2:], "little")
    payload_file = PayloadFile(file, entry.header_offset + 30 + extra, entry.file_size)
    return load_payload(payload_file, decode_header(payload_file))


class _Given:
    """The facts about the package that a phone knows before it requests the package."""

    def __init__(self, path: Path) -> None:
        with zipfile.ZipFile(path) as archive:
            metadata = _pairs(archive.read(_METADATA))
            properties = _pairs(archive.read("payload_properties.txt"))
        target = find_build("armani", "id", 1)
        sha256 = (path.parent / "sha256").read_text()
        self.offer = Offer(
            path="armani/id/stable/armani.zip",
            length=path.stat().st_size,
            sha256=sha256,
            type="full",
            counter=2,
            post_timestamp=target.post_timestamp,
            security_patch_level=target.security_patch_level,
            min_counter=0,
            source_builds=(),
            final_counter=2,
        )
        self.expected = Expected(
            sha256=sha256,
            property_files=metadata["ota-streaming-property-files"],
            payload_properties=properties,
            certificate=CERTIFICATE_FILE.read_bytes(),
            facts=_facts(target),
            codename="armani",
        )

    def world(self, port: int) -> RealWorld:
        """Return the phone's environment, with the server at `port` on loopback."""
        public = Public(
            host="127.0.0.1",
            port=port,
            tls=False,
            codename="armani",
            region="id",
            channel="stable",
            root=b"",
            ota_certificate=b"",
            built_at=0,
            build=_facts(find_build("armani", "id", 0)),
        )
        return RealWorld(public, {}, now=time.time, entropy=bytes)


def _make_phone(folder: Path) -> Slots:
    """Return the slots of a phone whose only partition is the one in the package."""
    build = find_build("armani", "id", 0)
    slots = Slots(folder / "slots")
    slots.flash_factory({"system": build.images["system"]}, _facts(build))
    return slots


def _facts(build: Build) -> BuildFacts:
    return BuildFacts(
        build.fingerprint,
        build.incremental,
        build.number + 1,
        build.post_timestamp,
        build.security_patch_level,
    )


def _pairs(data: bytes) -> dict[str, str]:
    return dict(line.split("=", 1) for line in data.decode().splitlines())


WAYS: dict[str, Callable[[Path, int, Path], dict[str, float]]] = {
    "peer": peer,
    "stream": stream,
    "whole": whole,
}


def main() -> None:
    """Run the way given by the arguments: way, package, port."""
    way, path, port = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        before, held = resource.getrusage(resource.RUSAGE_SELF), begin_peak()
        start = time.perf_counter()
        found = WAYS[way](path, port, Path(folder))
        seconds = time.perf_counter() - start
        after = resource.getrusage(resource.RUSAGE_SELF)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    memory = read_peak() - held
    print(json.dumps({**found, "seconds": seconds, "processor_seconds": used, "memory": memory}))


if __name__ == "__main__":
    main()

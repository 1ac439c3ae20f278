"""Installs a package in this process and prints how much more memory it took at the most."""

import sys
import zipfile
from pathlib import Path

from benchmarks.install_parts.memory import begin_peak, read_peak
from client_sim.engine.install import Expected, install_package, install_stream
from client_sim.engine.slots import Slots
from client_sim.transport import BLOCK
from fixtures.catalogue import find_build
from tests.client_sim.engine.streamed import CERTIFICATE, facts_of


class FileBlocks:
    """The blocks of a file, as long as a phone's."""

    def __init__(self, path):
        self.path = path
        self.length = path.stat().st_size
        self.size = BLOCK

    def read(self, index):
        """Return one block."""
        with self.path.open("rb") as file:
            file.seek(index * BLOCK)
            return file.read(BLOCK)


def main():
    """Install the package that is named, whose sha256 follows; the third is `stream` or `file`."""
    path, way = Path(sys.argv[1]), sys.argv[3]
    with zipfile.ZipFile(path) as archive:
        texts = [
            archive.read(name).decode().splitlines()
            for name in ("META-INF/com/android/metadata", "payload_properties.txt")
        ]
    metadata, properties = (dict(line.split("=", 1) for line in lines) for lines in texts)
    old, new = find_build("armani", "id", 0), find_build("armani", "id", 1)
    slots = Slots(path.parent / "phone")
    slots.flash_factory({"system": old.images["system"]}, facts_of(old))
    expected = Expected(
        sha256=sys.argv[2],
        property_files=metadata["ota-streaming-property-files"],
        payload_properties=properties,
        certificate=CERTIFICATE,
        facts=facts_of(new),
        codename="armani",
    )
    held = begin_peak()
    if way == "file":
        with path.open("rb") as file:
            install_package(file, slots, expected)
    else:
        install_stream(FileBlocks(path), slots, expected)
    sys.stdout.write(f"{read_peak() - held}\n")


if __name__ == "__main__":
    main()

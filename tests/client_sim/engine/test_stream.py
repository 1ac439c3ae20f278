import io
import time
from pathlib import Path

from client_sim.engine.journal import Disk, decode_journal
from client_sim.engine.manifest import BLOCK_SIZE
from client_sim.engine.package import decode_layout, open_prefix
from client_sim.engine.payload import decode_header, load_payload
from client_sim.engine.slots import Slots
from fixtures.catalogue import find_build
from tests.client_sim.engine.streamed import Ota, make_phone


class WatchedDisk(Disk):
    """A slow disk that records what is durable at the time of each new journal."""

    def __init__(self):
        self.durable = {}
        self.journals = []

    def write_at(self, file, position, data):
        """Write bytes, slowly into images."""
        if str(file.name).endswith(".img"):
            time.sleep(0.002)
        super().write_at(file, position, data)

    def sync(self, file):
        """Record the bytes that are durable now."""
        data = Path(file.name).read_bytes()
        super().sync(file)
        self.durable[Path(file.name).name] = data

    def replace(self, source, target):
        """Rename a file; for a journal, record what is durable."""
        if target.name == "journal.json":
            self.journals.append((decode_journal(source.read_bytes()), dict(self.durable)))
        super().replace(source, target)


def _operations(ota):
    file = io.BytesIO(ota.data)
    expected = ota.expected
    layout = decode_layout(expected.property_files, expected.payload_properties, len(ota.data))
    payload_file = open_prefix(file, layout).payload_file
    manifest = load_payload(payload_file, decode_header(payload_file)).manifest
    return [(part.name, each) for part in manifest.partitions for each in part.operations]


def test_journal_names_only_durable_operations(tmp_path):
    """On a slow disk, too, the operations before the journal's are synced when it is written."""
    first, second = (find_build("armani", "id", number) for number in range(2))
    make_phone(tmp_path / "phone", first)
    ota, disk = Ota(second), WatchedDisk()
    ota.stream(Slots(tmp_path / "phone", disk=disk))
    operations = _operations(ota)
    new = {name: path.read_bytes() for name, path in second.images.items()}
    assert len(disk.journals) > 10
    assert disk.journals[-1][0].operation == len(operations)
    for journal, durable in disk.journals:
        for name, operation in operations[: journal.operation]:
            for extent in operation.dst:
                place = slice(extent.start * BLOCK_SIZE, (extent.start + extent.count) * BLOCK_SIZE)
                assert durable[f"{name}.img"][place] == new[name][place]
        for start in journal.carry:
            assert f"carry-{start}.new" in durable

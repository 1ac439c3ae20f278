import hashlib
import io
import re
import zipfile

import pytest

from client_sim.engine.errors import EngineError
from client_sim.engine.install import install_package, install_stream
from fixtures.build import build_zip
from fixtures.catalogue import find_build
from fixtures.hostile_payloads import hostile_payloads
from tests.client_sim.engine.streamed import CERTIFICATE, Blocks, facts_of, make_phone, snapshot

TARGET = find_build("armani", "id", 1)
HOSTILE = hostile_payloads(build_zip(TARGET, None))


def _pairs(data):
    return dict(line.split("=", 1) for line in data.decode().splitlines())


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_payloads_are_refused_with_a_sentence(tmp_path, name):
    """Signed by the right key and wrong in one thing: refused from a file and in passing."""
    data = HOSTILE[name]
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        metadata = _pairs(archive.read("META-INF/com/android/metadata"))
        properties = _pairs(archive.read("payload_properties.txt"))
    arguments = {
        "sha256": hashlib.sha256(data).hexdigest(),
        "property_files": metadata["ota-streaming-property-files"],
        "payload_properties": properties,
        "certificate": CERTIFICATE,
        "facts": facts_of(TARGET),
        "codename": "armani",
    }
    slots = make_phone(tmp_path / "phone", find_build("armani", "id", 0))
    before = snapshot(slots.directory)
    for install in (
        lambda: install_package(io.BytesIO(data), slots, **arguments),
        lambda: install_stream(Blocks(data, 20_000), slots, **arguments),
    ):
        with pytest.raises(EngineError) as caught:
            install()
        sentence = str(caught.value)
        assert re.fullmatch(r"[A-Z][^\n]{10,200}\.", sentence)
        assert not slots.state.slots["b"].bootable
        assert slots.state.slots["b"].build is None
    after = snapshot(slots.directory)
    assert {path: after[path] for path in before} == before

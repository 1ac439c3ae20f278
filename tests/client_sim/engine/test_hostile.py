import re

import pytest

from client_sim.engine.errors import EngineError
from fixtures.build import build_zip
from fixtures.catalogue import find_build
from fixtures.hostile_payloads import hostile_payloads
from tests.cases import case
from tests.client_sim.engine.streamed import Ota, snapshot

TARGET = find_build("armani", "id", 1)


def test_hostile_payloads_are_refused_with_a_sentence(slots):
    """Signed by the right key and wrong in one thing: refused from a file and in passing."""
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

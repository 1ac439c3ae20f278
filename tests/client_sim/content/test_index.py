"""The checks of an index, and of the packs that it lists."""

import pytest

from client_sim.content.index import File, decode_index
from client_sim.device.errors import ContentError
from tests.cases import case
from tests.client_sim.content.packs import PARTS, describe

_, NUMBER_OF_PARTS = PARTS["emergency"]
TARGETS = {
    f"tables/emergency/{number:02}.xz": (File(1, "0" * 64), {"schema": 1})
    for number in range(NUMBER_OF_PARTS)
}


def _index(**members):
    return {"hosts": [], "packs": {}, "schema": 1, **members}


def test_malformed_indexes_are_refused():
    """Hosts, packs and schema have their form, and each kind is in its own role."""
    assert decode_index("tables", _index(), {}).warnings == ()
    for custom in (
        _index(schema=2),
        _index(hosts=["b.example", "a.example"]),
        _index(hosts=["localhost"]),
        _index(packs={"greetings": {}}),
        _index(packs={"a": "b" * 1_100_000}),
        _index(packs=[]),
    ):
        with case(custom), pytest.raises(ContentError):
            decode_index("tables", custom, {})


def test_malformed_packs_are_skipped():
    """A pack with a malformed member is skipped with a warning."""
    for changes in (
        *({"start": start} for start in (-1, True)),
        *({"end": 0}, {"start": 5, "end": 5}),
        *({"rollout": rollout} for rollout in ([], [[0, 1001]], [[0, 5], [1, 4]])),
        {"sources": []},
        {"sources": [{"licence": "<b>", "name": "a", "version": "1"}]},
        *({"title": title} for title in ({}, {"en": "\u202e"})),
        *({"withdrawn": versions} for versions in (False, [0], [2], [1, 1])),
        None,
    ):
        pack = describe(**changes or {})
        with case(changes):
            index = decode_index("tables", _index(packs={"emergency": pack}), TARGETS)
            assert index.packs.keys() == (set() if changes else {"emergency"})
            assert len(index.warnings) == bool(changes)

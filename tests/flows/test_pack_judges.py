"""Server, signer and phone agree about every pack, however it was changed."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import pack_judges
from tests.changed_packs import changed_packs, fuzz_packs
from tests.pack_judges import PacksDisagreementError, check_judges, make_sound
from tests.server.core.content.samples import KINDS

CORPUS = sorted((Path(__file__).parents[2] / "fixtures" / "fuzz" / "packs").iterdir())


@pytest.mark.parametrize("kind", KINDS)
def test_unchanged_packs(kind):
    """All three accept the unchanged packs, so later refusals are due to the changes."""
    assert check_judges(make_sound(kind))


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=20)  # `make soak` tries more
@given(st.data())
def test_changed_packs(kind, data):
    """All three agree on packs whose entries, bytes or index members were changed."""
    check_judges(data.draw(changed_packs(kind)))


@pytest.mark.parametrize("file", CORPUS, ids=lambda file: file.name)
def test_fuzzer_corpus(file):
    """The fuzzer's seeds and former findings are judged alike."""
    fuzz_packs(file.read_bytes())


@pytest.mark.parametrize("lax", ["_ask_server", "_ask_signer", "_ask_phone"])
def test_disagreement_is_detected(monkeypatch, lax):
    """A disagreement is detected, whichever of the three accepts everything."""
    monkeypatch.setattr(pack_judges, lax, lambda _published, _parts: None)
    packs = make_sound("emergency")
    packs.entries["ID"]["numbers"].reverse()
    with pytest.raises(PacksDisagreementError, match="ascend"):
        check_judges(packs)

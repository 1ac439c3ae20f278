import dataclasses

import pytest

from client_sim.owner_events.events import OwnerError
from client_sim.owner_events.personal_store import PersonalStore
from client_sim.persona import PERSONA_LIMIT, Note, PersonaError, make_persona


def test_what_is_stored_is_read_again(tmp_path):
    """No owner at first, then the owner, then the owner's new data."""
    store = PersonalStore(tmp_path)
    assert store.load() is None
    for seed in (1, 2):
        store.store(make_persona(seed))
        assert PersonalStore(tmp_path).load() == make_persona(seed)


def test_damaged_data_is_refused(tmp_path):
    """What `store` did not write is no owner's data."""
    PersonalStore(tmp_path).store(make_persona(1))
    (tmp_path / "personal" / "persona.json").write_bytes(b"{}")
    with pytest.raises(PersonaError):
        PersonalStore(tmp_path).load()


def test_a_phone_holds_only_so_much(tmp_path):
    """More than can be read again is not stored; what was there stays."""
    store = PersonalStore(tmp_path)
    store.store(make_persona(1))
    fat = dataclasses.replace(make_persona(1), notes=(Note("n", "x" * PERSONA_LIMIT),))
    with pytest.raises(OwnerError):
        store.store(fat)
    assert store.load() == make_persona(1)

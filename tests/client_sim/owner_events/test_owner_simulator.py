import dataclasses

import pytest

from client_sim.owner_events.events import Kind, OwnerError
from client_sim.owner_events.owner_simulator import OwnerSimulator, PersonalStore
from client_sim.persona import PERSONA_LIMIT, Note, PersonaError, make_persona
from client_sim.tape import Tape
from tests.client_sim.device import shop


@pytest.fixture
def phone(tmp_path):
    """Make a phone on disk without an owner, and offer it build 1."""
    repository = shop.make_repository()
    shop.make_phone(tmp_path / "phone", repository)
    return shop.open_phone(tmp_path / "phone", repository)


def live(tmp_path, phone, *kinds, owner=None):
    """Apply events and return them."""
    simulator = OwnerSimulator(tmp_path / "phone", phone, Tape(1), owner)
    return [simulator.apply_event(kind, shop.NOW) for kind in kinds]


def test_no_owner_has_no_events(tmp_path, phone):
    """Events need an owner; a second owner does not replace the first."""
    with pytest.raises(OwnerError, match="--owner"):
        live(tmp_path, phone, Kind.SMS_SENT)
    live(tmp_path, phone, Kind.SMS_SENT, owner=make_persona(4))
    live(tmp_path, phone, Kind.SMS_SENT, owner=make_persona(5))
    stored = PersonalStore(tmp_path / "phone").load()
    assert stored.imei == make_persona(4).imei
    assert len(stored.messages) == len(make_persona(4).messages) + 2


def test_client_gets_events_and_sends_nothing(tmp_path, phone, monkeypatch):
    """Each event is passed to the client, as to every app."""
    events_seen = []
    name = "client_sim.device.client.PollingClient.on_event"
    monkeypatch.setattr(name, lambda _client, event: events_seen.append(event))
    kinds = [kind for kind in Kind if kind is not Kind.FACTORY_RESET]
    events = live(tmp_path, phone, *kinds, owner=make_persona(4))
    assert events_seen == events
    assert phone.world.sent == []


def test_reboot_starts_the_installed_build(tmp_path, phone):
    """The event restarts the phone: build 1 runs and is confirmed."""
    phone.install()
    live(tmp_path, phone, Kind.REBOOT, owner=make_persona(4))
    assert phone.running_build == shop.facts(1)
    assert phone.floor == 2


def test_a_factory_reset_wipes_phone_and_owner(tmp_path, phone):
    """All data is removed, and the next owner sets the phone up again."""
    phone.poll()
    live(tmp_path, phone, Kind.SMS_SENT, Kind.FACTORY_RESET, owner=make_persona(4))
    assert dict(phone.state) == {}
    assert PersonalStore(tmp_path / "phone").load() is None
    live(tmp_path, phone, Kind.FACTORY_RESET, Kind.CONTACT_ADDED, owner=make_persona(4))
    stored = PersonalStore(tmp_path / "phone").load()
    assert (stored.imei, len(stored.contacts)) == (make_persona(4).imei, 1)
    assert stored.android_id != make_persona(4).android_id


def test_personal_store(tmp_path):
    """The store has no owner at first, and then the owner's last data.

    Data that would be too long to read is not stored; damaged data is an error.
    """
    store = PersonalStore(tmp_path)
    assert store.load() is None
    for seed in (1, 2):
        store.store(make_persona(seed))
        assert PersonalStore(tmp_path).load() == make_persona(seed)
    fat = dataclasses.replace(make_persona(1), notes=(Note("n", "x" * PERSONA_LIMIT),))
    with pytest.raises(OwnerError):
        store.store(fat)
    assert store.load() == make_persona(2)
    (tmp_path / "personal" / "persona.json").write_bytes(b"{}")
    with pytest.raises(PersonaError):
        store.load()

"""Polls for updates send the same bytes whether the cloud is off, on, busy or failing."""

import pytest

from client_sim.cloud.errors import OffError, UnavailableError
from client_sim.cloud.owner_data import add_note
from client_sim.device.reset import reset_phone
from tests.client_sim.cloud.phones import make_phone, new_name, set_up
from tests.client_sim.device import shop


@pytest.fixture(scope="module")
def ota_repository():
    """Make a repository that offers a build."""
    return shop.make_repository()


def poll(folder, repository):
    """Poll three times; returns all that left the phone, and the times of the next polls."""
    trace, now = [], shop.NOW
    for number in range(3):
        phone = shop.open_phone(folder, repository, now=now, draws=100 * number)
        phone.poll()
        now = phone.next_poll()
        trace.append((phone.world.sent, phone.world.resolved, phone.world.connected, now))
    return trace


def never_on(_served, folder, repository):
    """Poll on a phone without a cloud."""
    return poll(folder, repository)


def switched_on(served, folder, repository):
    """Poll on a phone that has just synchronised."""
    phone = set_up(make_phone(served, folder), new_name())
    add_note(phone.cloud, "t", "x")
    phone.sync()
    return poll(folder, repository)


def busy(served, folder, repository):
    """Poll while a batch is being sent."""
    phone = set_up(make_phone(served, folder), new_name())
    add_note(phone.cloud, "t", "x")
    trace = []

    def meanwhile(data):
        if b"/item/transaction/" in data and not trace:
            trace.append(poll(folder, repository))

    phone.wire.before_send = meanwhile
    phone.sync()
    return trace[0]


def failing(served, folder, repository):
    """Poll on a phone whose cloud cannot be reached."""
    phone = set_up(make_phone(served, folder), new_name())

    def refuse(*_):
        raise OSError("refused")

    phone.wire.connect = refuse
    with pytest.raises(UnavailableError):
        phone.sync()
    return poll(folder, repository)


def off_again(served, folder, repository):
    """Poll on a phone whose types were all turned off again."""
    phone = set_up(make_phone(served, folder), new_name())
    phone.sync()
    for kind in phone.cloud.enabled_types:
        phone.cloud.switch(kind, is_on=False)
    return poll(folder, repository)


def test_polls_are_the_same_in_every_state_of_the_cloud(served, ota_repository, tmp_path):
    """Names, connections, bytes and the time of the next poll are equal in all states."""
    traces = []
    for state in (never_on, switched_on, busy, failing, off_again):
        folder = tmp_path / state.__name__
        shop.make_phone(folder, ota_repository)
        traces.append(state(served, folder, ota_repository))
    assert traces[0][0][0]
    assert all(trace == traces[0] for trace in traces)


def test_a_factory_reset_forgets_the_cloud(served, ota_repository, tmp_path):
    """A reset erases the owner's cloud data; the phone is silent afterwards."""
    folder = tmp_path / "phone"
    shop.make_phone(folder, ota_repository)
    phone = set_up(make_phone(served, folder), new_name())
    add_note(phone.cloud, "t", "x")
    phone.cloud.store.close()
    reset_phone(folder)
    assert not [path for path in (folder / "personal").rglob("*") if path.is_file()]
    again = make_phone(served, folder)
    with pytest.raises(OffError):
        again.sync()
    assert again.wire.is_silent
    assert again.cloud.store.live("note") == []

"""Off is silent: between requests, in the middle of a body, and from then on."""

import pytest

from client_sim.cloud.errors import OffError
from client_sim.cloud.owner_data import add_note, add_photo
from client_sim.cloud.photos import make_jpeg
from client_sim.cloud.store import Store
from client_sim.persona import Photo
from tests.client_sim.cloud.phones import make_phone, new_name, set_up

LARGE = make_jpeg(Photo("IMG_1.jpg", "-5.1", "110.2", 1_767_225_600)) + bytes(200_000)


def make_ready(served, folder):
    """Make a phone with a note and a photo that wait to be sent."""
    phone = set_up(make_phone(served, folder), new_name(), on=("note", "photo"))
    add_note(phone.cloud, "t", "x" * 100_000)
    add_photo(phone.cloud, "IMG_1.jpg", LARGE)
    phone.wire.forget()
    return phone


def test_turned_off_at_any_moment_nothing_more_is_sent(served, tmp_path):
    """If the cloud is turned off before a send or during a read, no byte is sent afterwards.

    Each third moment is tested; `hening-device lab cloud --full` tests all.
    """
    phone = make_ready(served, tmp_path)
    other = Store(phone.cloud.phone)
    ends = set()
    at, is_over = -2, False
    while not is_over:
        at += 3
        add_note(phone.cloud, f"{at}", "x" * 100_000)
        add_photo(phone.cloud, f"{at}.jpg", LARGE + bytes([at]))
        phone.wire.forget()
        owner = Owner(other, at)
        phone.wire.before_send, phone.wire.before_recv = owner.before_send, owner.before_recv
        try:
            phone.sync()
            is_over = True
        except OffError:
            ends.add(owner.pressed_at)
        assert owner.sent_after == 0
        phone.wire.before_send = phone.wire.before_recv = None
        phone.wire.forget()
        if not is_over:
            with pytest.raises(OffError):
                phone.sync()
            assert phone.wire.is_silent
            for kind in ("note", "photo"):
                phone.cloud.switch(kind, is_on=True)
            phone.sync()  # so that each round has as much to send
    assert ends == {"send", "read"}
    assert at > 20


class Owner:
    """Turns all types off at step `number`, and counts sends after it.

    The send in progress is completed; nothing begins afterwards.
    """

    def __init__(self, store, number):
        self._store, self._left = store, number
        self.pressed_at, self.sent_after = "", 0

    def before_send(self, _data):
        """Turn off at this send, or count it."""
        if self.pressed_at:
            self.sent_after += 1
        self._step("send")

    def before_recv(self):
        """Turn off at this read."""
        self._step("read")

    def _step(self, name):
        self._left -= 1
        if self._left == 0:
            self.pressed_at = name
            self._store.set("on", b"")


def test_turned_off_before_the_connection(served, tmp_path):
    """The name is resolved, but no connection is made."""
    phone = make_ready(served, tmp_path)
    resolve = phone.wire.resolve

    def turn_off(host):
        phone.cloud.store.set("on", b"")
        return resolve(host)

    phone.wire.resolve = turn_off
    with pytest.raises(OffError):
        phone.sync()
    assert (len(phone.wire.names), phone.wire.connections, phone.wire.sent) == (1, 0, [])


def test_off_stays_off_across_a_restart(served, tmp_path):
    """After a restart no type is on."""
    phone = make_ready(served, tmp_path)
    for kind in phone.cloud.enabled_types:
        phone.cloud.switch(kind, is_on=False)
    phone.cloud.store.close()
    again = make_phone(served, tmp_path)
    assert again.cloud.enabled_types == ()
    with pytest.raises(OffError):
        again.sync()
    assert again.wire.is_silent

"""The npm client and the phone read each other, in both directions and for every type."""

import pytest

from client_sim.cloud.keys import derive_main
from client_sim.cloud.owner_data import add_contact, add_message, add_note, change
from tests.client_sim.cloud.etebase import foreign_client
from tests.client_sim.cloud.phones import make_phone, new_name, set_up

pytestmark = pytest.mark.needs("etebase")
CARD = b"BEGIN:VCARD\r\nVERSION:4.0\r\nUID:1\r\nFN:Budi\r\nX-UNKNOWN;A=b:kept\r\nEND:VCARD\r\n"
SMS = b'<sms address="+999" body="Halo" date="1790000000000" type="1"></sms>'


def test_the_phone_and_the_npm_client_converge(served, tmp_path):
    """One story, since a login of either takes a second: notes, contacts, messages, a rotation."""
    phone = set_up(make_phone(served, tmp_path / "one", derive=derive_main), new_name())
    cloud, long = phone.cloud, "a line of text, \N{SNOWMAN}\n" * 9000
    add_note(cloud, "Rice", "1 kg\n")
    add_note(cloud, "Long", long)
    add_contact(cloud, CARD)
    add_message(cloud, SMS)
    phone.sync()
    with foreign_client(served, cloud.name) as npm:
        notes = {each["name"]: each for each in npm("list", "etebase.md.note")}
        assert {name: each["content"] for name, each in notes.items()} == {
            "Rice": "1 kg\n",
            "Long": long,
        }
        assert [each["content"] for each in npm("list", "etebase.vcard")] == [CARD.decode()]
        assert [each["content"] for each in npm("list", "hening.sms")] == [SMS.decode()]

        tea = npm("add", "etebase.md.note", "Tea", "green\n")
        npm("change", "etebase.md.note", notes["Long"]["uid"], long.replace("text", "words"))
        npm("remove", "etebase.md.note", notes["Rice"]["uid"])
        assert phone.sync().received == {"note": 3}
        assert phone.bodies("note") == [
            b"Long\n" + long.replace("text", "words").encode(),
            b"Tea\ngreen\n",
        ]
        change(cloud, tea, b"Tea\nblack\n")
        assert phone.sync().sent == {"note": 1, "devices": 1}
        found = npm("meta", "etebase.md.note", tea)
        assert (found["name"], found["colour"]) == ("Tea", "blue")

        own = npm("make", "etebase.vcard")
        assert own
        phone.sync()
        assert len(cloud.store.collections("contact")) == 2

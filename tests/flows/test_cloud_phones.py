"""Two phones of one owner synchronise through a cloud, with any order of edits and power cuts."""

import shutil
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from client_sim.cloud import keys
from client_sim.cloud.owner_data import add_contact, add_note, change, plant
from client_sim.persona import make_persona
from tests.client_sim.cloud.etebase import foreign_client
from tests.client_sim.cloud.phones import make_phone, new_name, serve, set_up

PHONES = st.sampled_from([0, 1])
KINDS = ("note", "contact")


class KilledError(BaseException):
    """The phone loses its power."""


class TwoPhones(RuleBasedStateMachine):
    """Edits, deletions, synchronisations and power cuts in any order leave both phones equal.

    Each edit adds a unique line. Such a line may be missing at the end only if its record was
    deleted by a phone that had it.
    """

    served = None

    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.number = 0
        self.written, self.deleted = set(), set()
        self.phones = []

    @initialize()
    def begin(self):
        """Make an account with two phones."""
        one = set_up(make_phone(self.served, self.folder / "0"), new_name(), on=KINDS)
        two = make_phone(self.served, self.folder / "1")
        set_up(two, one.cloud.name, on=KINDS, is_new=False)
        self.phones = [one, two]

    def draw_line(self):
        """Return a unique line."""
        self.number += 1
        line = b"NOTE:line %d" % self.number
        self.written.add(line)
        return line

    @rule(at=PHONES)
    def write_note(self, at):
        """Add a note."""
        line = self.draw_line()
        add_note(self.phones[at].cloud, line.decode(), f"{line.decode()}\n")

    @rule(at=PHONES)
    def write_contact(self, at):
        """Add a contact."""
        card = b"BEGIN:VCARD\r\nVERSION:4.0\r\nFN:x\r\n%b\r\nEND:VCARD\r\n"
        add_contact(self.phones[at].cloud, card % self.draw_line())

    def pick(self, at, data, kind):
        """Return one of a phone's records, or None if it has none."""
        rows = self.phones[at].cloud.store.live(kind)
        return data.draw(st.sampled_from(rows)) if rows else None

    @rule(at=PHONES, data=st.data())
    def edit_note(self, at, data):
        """Add a line at the end or the beginning of a note."""
        if row := self.pick(at, data, "note"):
            title, _, text = row.body.partition(b"\n")
            line = self.draw_line() + b"\n"
            body = line + text if data.draw(st.booleans()) else text + line
            change(self.phones[at].cloud, row.uid, title + b"\n" + body)

    @rule(at=PHONES, data=st.data())
    def edit_contact(self, at, data):
        """Add a line to a contact."""
        if row := self.pick(at, data, "contact"):
            body = row.body.replace(b"END:VCARD", self.draw_line() + b"\r\nEND:VCARD")
            change(self.phones[at].cloud, row.uid, body)

    @rule(at=PHONES, data=st.data(), kind=st.sampled_from(KINDS))
    def delete(self, at, data, kind):
        """Delete a record."""
        if row := self.pick(at, data, kind):
            self.deleted |= {line for line in self.written if line in row.body}
            change(self.phones[at].cloud, row.uid, None)

    @rule(at=PHONES)
    def synchronise(self, at):
        """Synchronise a phone."""
        self.phones[at].sync()

    @precondition(lambda self: self.number)
    @rule(at=PHONES, number=st.integers(1, 30))
    def die(self, at, number):
        """Cut a phone's power at a send or a read, and start it again."""
        phone, left = self.phones[at], number

        def step(*_):
            nonlocal left
            left -= 1
            if not left:
                raise KilledError

        phone.wire.before_send = phone.wire.before_recv = step
        with suppress(KilledError):
            phone.sync()
        phone.cloud.store.close()
        self.phones[at] = make_phone(self.served, self.folder / str(at))

    def teardown(self):
        """Synchronise until nothing changes; no line is lost, and no record is duplicated."""
        if self.phones:
            for _ in range(3):
                for phone in self.phones:
                    phone.sync()
            for kind in KINDS:
                one, other = (phone.bodies(kind) for phone in self.phones)
                assert one == other
                assert len(set(one)) == len(one)
            text = b"".join(body for kind in KINDS for body in self.phones[0].bodies(kind))
            lost = {line for line in self.written if line + b"\n" not in text.replace(b"\r", b"")}
            assert lost <= self.deleted
            for phone in self.phones:
                phone.cloud.store.close()
        shutil.rmtree(self.folder)


def test_two_phones_converge(tmp_path, monkeypatch):
    """Both phones end with equal records, and no key encrypts two values under one nonce."""
    sealed = {}
    encrypt = keys.crypto_aead_xchacha20poly1305_ietf_encrypt

    def watch(message, bound, nonce, key):
        assert sealed.setdefault((key, nonce), (message, bound)) == (message, bound)
        return encrypt(message, bound, nonce, key)

    monkeypatch.setattr(keys, "crypto_aead_xchacha20poly1305_ietf_encrypt", watch)
    with serve(tmp_path) as served:
        machine = type("Machine", (TwoPhones,), {"served": served}).TestCase
        machine.settings = settings(
            max_examples=12,
            stateful_step_count=14,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
        machine("runTest").runTest()
    assert len(sealed) > 100


@pytest.mark.needs("etebase")
def test_phones_and_npm_client_converge(tmp_path):
    """Three clients change records of the four types at the same time, and end with equal data.

    A note keeps the other client's fields that the phone does not know, and the phone reads the
    other client's collections.
    """
    with serve(tmp_path / "cloud") as served:
        derive = cache(keys.derive_main)  # both phones have one main key, as with the npm client
        one = make_phone(served, tmp_path / "1", derive=derive)
        set_up(one, new_name())
        two = make_phone(served, tmp_path / "2", derive=derive)
        set_up(two, one.cloud.name, is_new=False)
        plant(one.cloud, make_persona(4))
        add_note(one.cloud, "List", "a\nb\nc\nd\ne\n")
        add_note(one.cloud, "Long", "a line of text, \N{SNOWMAN}\n" * 9000)
        one.sync()
        two.sync()
        with foreign_client(served, one.cloud.name) as npm:
            types = {
                "etebase.vcard": "contact",
                "etebase.md.note": "note",
                "hening.sms": "message",
                "hening.photo": "photo",
            }
            (note,) = (each for each in npm("list", "etebase.md.note") if each["name"] == "List")
            npm("change", "etebase.md.note", note["uid"], "A\nb\nc\nd\ne\n")
            change(one.cloud, note["uid"], b"List\na\nb\nC\nd\ne\n")
            change(two.cloud, note["uid"], b"List\na\nb\nc\nd\nE\n")
            gone = one.cloud.store.live("message")[0].uid
            npm("remove", "hening.sms", gone)
            tea = npm("add", "etebase.md.note", "Tea", "green\n")
            assert npm("make", "etebase.vcard")
            for phone in (one, two, one, two):
                phone.sync()
            assert b"List\nA\nb\nC\nd\nE\n" in two.bodies("note")
            assert one.cloud.store.find(gone).body is None
            for name, kind in types.items():
                found = npm("list", name)
                contents = sorted(
                    (f"{each['name']}\n" if kind == "note" else "") + each["content"]
                    for each in found
                )
                expected = sorted(body.decode() for body in one.bodies(kind))
                assert contents == expected == sorted(body.decode() for body in two.bodies(kind))
                assert contents
            assert len(one.cloud.store.collections("contact")) == 2
            change(one.cloud, tea, b"Tea\nblack\n")
            assert one.sync().sent == {"note": 1, "devices": 1}
            found = npm("meta", "etebase.md.note", tea)
            assert (found["name"], found["colour"]) == ("Tea", "blue")
        for phone in (one, two):
            phone.cloud.store.close()

"""Synchronisation: what two phones do to a record, in the order of the table of types."""

import pytest

from client_sim.cloud.errors import CloudError, RecordError, UnavailableError
from client_sim.cloud.owner_data import add_contact, add_message, add_note, add_photo, change
from client_sim.cloud.photos import make_jpeg
from client_sim.cloud.sync import MAX_INTERVAL, MIN_INTERVAL, draw_next, find_next
from client_sim.persona import Photo
from tests.client_sim.cloud.phones import (
    KilledError,
    killed_at,
    make_phone,
    new_name,
    serve,
    set_up,
)
from tests.client_sim.cloud.test_contacts import card

SMS = b'<sms address="+999" body="Halo" date="1790000000000" type="1"></sms>'
JPEG = make_jpeg(Photo("IMG_1.jpg", "-5.1", "110.2", 1_767_225_600))


def only(phone, kind):
    """Return the only record of a type."""
    (row,) = phone.cloud.store.live(kind)
    return row


def share(phone, second, body, kind="note"):
    """Put a record on both phones; returns its uid."""
    {
        "note": lambda: add_note(phone.cloud, *body.decode().split("\n", 1)),
        "contact": lambda: add_contact(phone.cloud, body),
        "message": lambda: add_message(phone.cloud, body),
    }[kind]()
    phone.sync()
    second.sync()
    assert only(second, kind).body == body
    return only(phone, kind).uid


def test_all_types_are_synchronised(phone, second):
    """Records of all types and the original of a photo arrive byte for byte."""
    add_contact(phone.cloud, card("FN:Budi"))
    add_note(phone.cloud, "t", "x\n")
    add_message(phone.cloud, SMS)
    add_photo(phone.cloud, "IMG_1.jpg", JPEG)
    phone.sync()
    report = second.sync()
    assert report.failures == report.warnings == []
    for kind in ("contact", "note", "message", "photo"):
        assert phone.bodies(kind) == second.bodies(kind)
    (original,) = (second.cloud.store.folder / "photos").iterdir()
    assert original.read_bytes() == JPEG


def test_requests_without_news(phone):
    """Without news there is one request for each type and one for the phones' own list.

    The first synchronisation after a change also reads the change back.
    """
    add_note(phone.cloud, "t", "x")
    phone.sync()
    phone.sync()
    phone.wire.forget()
    phone.sync()
    heads = [data for data in phone.wire.sent if b" HTTP/1.1\r\n" in data]
    assert len(heads) == 5
    assert phone.wire.connections == 1


def test_conflicting_notes(phone, second):
    """Changes of different lines are merged; of one line both versions are kept as notes.

    The second note's title has the date.
    """
    uid = share(phone, second, b"t\na\nb\nc\n")
    change(phone.cloud, uid, b"t\nA\nb\nc\n")
    change(second.cloud, uid, b"t\na\nb\nC\n")
    phone.sync()
    second.sync()
    phone.sync()
    assert phone.bodies("note") == second.bodies("note") == [b"t\nA\nb\nC\n"]
    change(phone.cloud, uid, b"t\nmine\n")
    change(second.cloud, uid, b"t\ntheirs\n")
    phone.sync()
    report = second.sync()
    phone.sync()
    assert len(report.conflicts) == 1
    kept = [b"t\nmine\n", b"t (conflict, 2026-09-21)\ntheirs\n"]
    assert phone.bodies("note") == second.bodies("note") == kept


def test_a_change_beats_a_deletion(phone, second):
    """A change wins over a deletion on either side, and the owner is told."""
    uid = share(phone, second, b"t\na\n")
    change(phone.cloud, uid, None)
    change(second.cloud, uid, b"t\nb\n")
    phone.sync()
    report = second.sync()
    phone.sync()
    assert "it is kept" in report.conflicts[0]
    assert phone.bodies("note") == second.bodies("note") == [b"t\nb\n"]
    change(second.cloud, uid, b"t\nc\n")
    change(phone.cloud, uid, None)
    second.sync()
    phone.sync()
    second.sync()
    assert phone.bodies("note") == second.bodies("note") == [b"t\nc\n"]


def test_a_deleted_message_stays_deleted(phone, second):
    """A deleted message cannot be restored by importing it on another phone.

    It does not come back either if that phone imports it before it knows of the deletion.
    """
    uid = share(phone, second, SMS, "message")
    with pytest.raises(RecordError, match="cannot be changed"):
        change(phone.cloud, uid, b"<sms></sms>")
    change(phone.cloud, uid, None)
    assert not add_message(second.cloud, SMS)
    phone.sync()
    second.sync()
    assert phone.bodies("message") == second.bodies("message") == []
    late = SMS.replace(b"Halo", b"Hai")
    add_message(phone.cloud, late)
    phone.sync()
    change(phone.cloud, only(phone, "message").uid, None)
    phone.sync()
    assert add_message(second.cloud, late)
    second.sync()
    phone.sync()
    assert phone.bodies("message") == second.bodies("message") == []


def test_records_that_two_phones_import_are_merged(phone, second):
    """Messages and photos are identified by content, contacts by name and number."""
    for one in (phone, second):
        add_message(one.cloud, SMS)
        add_photo(one.cloud, "IMG_1.jpg", JPEG)
    add_contact(phone.cloud, card("FN:Budi", "TEL:1", "EMAIL:a@example.org"))
    add_contact(second.cloud, card("FN:Budi", "TEL:1", "NOTE:friend"))
    phone.sync()
    second.wire.forget()
    second.sync()
    assert b"POST /blobs/photos/data/" not in second.wire.bytes
    phone.sync()
    for kind in ("contact", "message", "photo"):
        assert phone.bodies(kind) == second.bodies(kind)
        assert len(phone.bodies(kind)) == 1
    assert b"NOTE:friend" in phone.bodies("contact")[0]
    assert b"EMAIL" in phone.bodies("contact")[0]


def test_conflicting_contacts(phone, second, served):
    """The later value is used, and the other version is kept for the owner."""
    uid = share(phone, second, card("FN:Budi", "TEL:1"), "contact")
    change(phone.cloud, uid, card("FN:Boy", "TEL:1"))
    served.clock.seconds += 10
    change(second.cloud, uid, card("FN:Bob", "TEL:1", "TEL:2"))
    phone.sync()
    report = second.sync()
    phone.sync()
    assert phone.bodies("contact") == second.bodies("contact") == [card("FN:Bob", "TEL:1", "TEL:2")]
    assert "FN:Boy" in report.conflicts[0]
    (kept,) = second.cloud.store.conflicts()
    assert kept.body == card("FN:Boy", "TEL:1")


def test_two_phones_make_a_collection_concurrently(phone, second):
    """Each phone made a collection before it saw the other's; both read both."""
    add_note(phone.cloud, "a", "1")
    add_note(second.cloud, "b", "2")

    def meanwhile(data):
        if data.startswith(b"POST /api/v1/collection/ "):
            second.wire.before_send = None
            phone.sync()

    second.wire.before_send = meanwhile
    second.sync()
    phone.sync()
    second.sync()
    assert phone.bodies("note") == second.bodies("note") == [b"a\n1", b"b\n2"]


def test_batches_of_records(phone, second):
    """A batch has at most a hundred records."""
    for number in range(250):
        add_note(phone.cloud, f"n{number}", "text")
    report = phone.sync()
    assert report.sent["note"] == 250
    assert phone.wire.bytes.count(b"/item/transaction/ HTTP") == 4  # three, and the phones' list
    assert second.sync().received["note"] == 250
    assert phone.bodies("note") == second.bodies("note")


def test_types_that_are_off_are_not_synchronised(phone, second):
    """Only types that are on are synchronised; a type that is turned on later is complete."""
    second.cloud.switch("note", is_on=False)
    add_note(phone.cloud, "a", "1")
    add_contact(phone.cloud, card("FN:Budi"))
    phone.sync()
    second.wire.forget()
    second.sync()
    assert second.bodies("note") == []
    assert len(second.bodies("contact")) == 1
    assert second.cloud.keys.type_of("etebase.md.note") not in second.wire.bytes
    second.cloud.switch("note", is_on=True)
    second.sync()
    assert second.bodies("note") == [b"a\n1"]


def test_time_of_the_next_synchronisation(phone):
    """The next time is uniform between four and eight hours; if no type is on, there is none."""
    clock = phone.wire.clock
    draws = sorted(draw_next(phone.cloud) - clock.seconds for _ in range(200))
    assert draws[0] >= MIN_INTERVAL
    assert draws[-1] <= MAX_INTERVAL
    assert draws[50] < (MIN_INTERVAL + MAX_INTERVAL) / 2 < draws[150]
    due = find_next(phone.cloud)
    add_note(phone.cloud, "a", "b")
    assert find_next(phone.cloud) == due
    for kind in phone.cloud.enabled_types:
        phone.cloud.switch(kind, is_on=False)
    assert find_next(phone.cloud) is None


def test_full_account(tmp_path):
    """The owner is told before and when the account is full; changes stay on the phone."""
    with serve(tmp_path / "full", quota=20_000) as small:
        one = set_up(make_phone(small, tmp_path / "a"), new_name())
        two = set_up(make_phone(small, tmp_path / "b"), one.cloud.name, is_new=False)
        add_note(one.cloud, "a", "1")
        one.sync()
        for number in range(40):
            add_note(two.cloud, f"n{number}", "x" * 900)
        report = two.sync()
        assert any("does not fit" in sentence for sentence in report.warnings)
        assert any("space on the server is full" in sentence for sentence in report.warnings)
        assert b"a\n1" in two.bodies("note")
        assert len(two.cloud.store.changed("note")) == 40


def test_power_cut_at_every_request_and_answer(served, tmp_path):
    """The phone loses power at each send and read of a story, and synchronises again."""
    kinds = ("note", "photo")
    one = set_up(make_phone(served, tmp_path / "a"), new_name(), on=kinds)
    two = set_up(make_phone(served, tmp_path / "b"), one.cloud.name, is_new=False, on=kinds[:1])
    expected: list[bytes] = []
    at, is_over = 0, False
    while not is_over:
        at += 1
        add_note(two.cloud, f"{at:03}", "from two\n")
        two.sync()
        expected.append(b"%03d\nfrom two\n" % at)
        assert two.bodies("note") == sorted(expected)
        for number in range(2):
            add_note(one.cloud, f"{at:03} {number}", "from one\n")
        add_photo(one.cloud, f"{at}.jpg", JPEG + bytes([at]))
        one.wire.forget()
        try:
            with killed_at(one, at):
                one.sync()
            is_over = True
        except KilledError:
            pass
        one.cloud.store.close()
        again = make_phone(served, tmp_path / "a")
        (row,) = (row for row in again.cloud.store.live("note") if row.body[:6] == b"%03d 0\n" % at)
        change(again.cloud, row.uid, row.body + b"and more\n")
        again.sync()
        expected += [b"%03d 0\nfrom one\nand more\n" % at, b"%03d 1\nfrom one\n" % at]
        assert again.bodies("note") == sorted(expected)
        assert len(again.bodies("photo")) == at
        sent = one.wire.bytes + again.wire.bytes
        assert sent.count(b"POST /blobs/photos/data/") <= 2
        one = again
    two.cloud.switch("photo", is_on=True)
    two.sync()
    for kind in kinds:
        assert two.bodies(kind) == one.bodies(kind)
    assert at > 20


def test_lost_answer_of_an_upload(phone, second):
    """If an upload's answer is lost, the phone recognises its own revision; edits continue."""
    add_note(phone.cloud, "t", "a\n")

    def cut(data):
        if data.startswith(b"POST") and b"/item/transaction/" in data:
            phone.wire.before_recv = broken

    def broken():
        phone.wire.before_send = phone.wire.before_recv = None
        raise OSError("cut")

    phone.wire.before_send = cut
    with pytest.raises(UnavailableError):
        phone.sync()
    row = only(phone, "note")
    change(phone.cloud, row.uid, b"t\nb\n")
    report = phone.sync()
    assert report.conflicts == []
    second.sync()
    assert phone.bodies("note") == second.bodies("note") == [b"t\nb\n"]


def test_record_that_keeps_changing_on_the_server(phone, second):
    """The phone neither overwrites newer revisions nor retries without end."""
    uid = share(phone, second, b"t\n0\nb\nc\n")
    change(phone.cloud, uid, b"t\n0\nb\nmine\n")
    count = 0

    def meanwhile(data):
        nonlocal count
        if b"/item/transaction/" in data:
            count += 1
            change(second.cloud, uid, b"t\n%d\nb\nc\n" % count)
            second.sync()

    phone.wire.before_send = meanwhile
    with pytest.raises(CloudError, match="keep changing"):
        phone.sync()
    assert count == 5
    phone.wire.before_send = None
    phone.sync()
    second.sync()
    assert phone.bodies("note") == second.bodies("note") == [b"t\n5\nb\nmine\n"]


def test_edit_during_an_upload(phone, second):
    """An edit or a deletion while a record is being sent is sent at the next synchronisation."""
    for body in (None, b"t\nb\n"):
        add_note(phone.cloud, "t", "a\n")
        uid = only(phone, "note").uid

        def meanwhile(data, uid=uid, body=body):
            if b"/item/transaction/" in data:
                phone.wire.before_send = None
                change(phone.cloud, uid, body)

        phone.wire.before_send = meanwhile
        phone.sync()
        phone.sync()
        second.sync()
        expected = [] if body is None else [body]
        assert phone.bodies("note") == second.bodies("note") == expected

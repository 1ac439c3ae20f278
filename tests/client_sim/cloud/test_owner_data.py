"""The owner's records on a phone without an account: imports and edits."""

import pytest

from client_sim.cloud.account import Cloud
from client_sim.cloud.errors import RecordError
from client_sim.cloud.owner_data import add_note, change, import_file, plant
from client_sim.persona import make_persona
from tests.client_sim.cloud.phones import Phone, Wire
from tests.client_sim.cloud.test_contacts import card
from tests.client_sim.cloud.test_messages import FILE
from tests.client_sim.cloud.test_photos import HEIC, make_camera_jpeg
from tests.server.cloud.device import Clock


@pytest.fixture
def phone(tmp_path):
    """Yield a phone that knows no region; check that it was silent."""
    wire = Wire(Clock())
    made = Phone(Cloud(tmp_path / "phone", wire, {}), wire)
    yield made
    assert wire.is_silent
    made.cloud.store.close()


def test_a_folder_of_real_files_is_imported_once(phone, tmp_path):
    """Known kinds of files are imported, also from subfolders; others are named."""
    folder = tmp_path / "backup" / "below"
    folder.mkdir(parents=True)
    (folder / "all.VCF").write_bytes(card("FN:a") + card("FN:b", version="3.0"))
    (folder / "sms.xml").write_bytes(FILE)
    (folder / "List.md").write_text("rice\n")
    (folder / "a.jpg").write_bytes(make_camera_jpeg())
    (folder / "b.heic").write_bytes(HEIC)
    (folder / "c.png").write_bytes(b"\x89PNG")
    (folder / "d.vcf").write_bytes(b"nothing")
    expected = {"contact": 2, "message": 3, "note": 1, "photo": 2}
    added, failures = import_file(phone.cloud, tmp_path / "backup")
    assert added == expected
    assert [sentence.partition(":")[0] for sentence in failures] == ["c.png", "d.vcf"]
    again, _ = import_file(phone.cloud, tmp_path / "backup")
    assert again == dict.fromkeys(expected, 0)
    assert phone.bodies("note") == [b"List\nrice\n"]
    originals = {path.read_bytes() for path in (phone.cloud.store.folder / "photos").iterdir()}
    assert originals == {make_camera_jpeg(), HEIC}


def test_a_planted_owner_has_all_four_types_once(phone):
    """There are as many records as the persona has; planting again adds none."""
    persona = make_persona(4)
    planted = plant(phone.cloud, persona)
    assert planted == {
        "contact": len(persona.contacts),
        "note": len(persona.notes),
        "message": len(persona.messages),
        "photo": len(persona.photos),
    }
    assert not any(plant(phone.cloud, persona).values())
    assert persona.contacts[0].number.encode() in b"".join(phone.bodies("contact"))


def test_deletion_of_an_unsent_record(phone):
    """A deleted record that was never sent leaves no trace, and can no longer be changed."""
    add_note(phone.cloud, "t", "x")
    (row,) = phone.cloud.store.live("note")
    change(phone.cloud, row.uid, None)
    assert phone.cloud.store.find(row.uid) is None
    with pytest.raises(RecordError, match="no record"):
        change(phone.cloud, row.uid, b"x")

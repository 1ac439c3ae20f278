"""Leaving a cloud: an export, an erasure with its receipt, and a move to another region."""

import hashlib
import io
import json
import subprocess
import zipfile
from dataclasses import replace

import msgspec
import pytest
from PIL import Image

from client_sim.cloud.account import fetch_policy, log_out
from client_sim.cloud.errors import CloudError, DeceivedError, OffError, RefusedError
from client_sim.cloud.kinds import decode_inner
from client_sim.cloud.leave import erase, export, finish_erasure, move
from client_sim.cloud.owner_data import add_note, import_file, plant
from client_sim.cloud.photos import decode_photo
from client_sim.cloud.recovery import encode_words, load_words, recover
from client_sim.cloud.web import Connection
from client_sim.persona import make_persona
from tests.client_sim.cloud.phones import (
    PASSWORD,
    KilledError,
    killed_at,
    make_phone,
    new_name,
    serve,
    set_up,
    wait_for_erasure,
)

PERSONA = make_persona(4)
KINDS = ("contact", "note", "message", "photo")


def test_exports_are_reproducible(phone, second, tmp_path):
    """The export has files for other programs, with hashes; without an original it is refused."""
    plant(phone.cloud, PERSONA)
    phone.sync()
    second.sync()
    files = [tmp_path / name for name in ("1.zip", "2.zip", "3.zip")]
    for file, one in zip(files, (phone, phone, second), strict=True):
        counts = export(one.cloud, file)
    assert files[0].read_bytes() == files[1].read_bytes()
    assert counts["contact"] == len(PERSONA.contacts)
    with zipfile.ZipFile(files[0]) as one, zipfile.ZipFile(files[2]) as other:
        names = one.namelist()
        manifest = json.loads(one.read("manifest.json"))
        assert sorted(manifest) == sorted(set(names) - {"manifest.json"})
        for name, sha256 in manifest.items():
            assert hashlib.sha256(one.read(name)).hexdigest() == sha256
            if not name.startswith("receipts/"):  # each phone has the receipts of its own consent
                assert one.read(name) == other.read(name)
        assert one.read("contacts.vcf").count(b"BEGIN:VCARD") == len(PERSONA.contacts)
        assert one.read("messages.xml").count(b"ms address=") == len(PERSONA.messages)
        photos = [name for name in names if name.startswith("photos/")]
        assert len(photos) == len(PERSONA.photos)
        for name in photos:
            Image.open(io.BytesIO(one.read(name))).load()
            assert one.getinfo(name).date_time[0] >= 2026
    for file in (second.cloud.store.folder / "photos").iterdir():
        file.unlink()
    with pytest.raises(CloudError, match="synchronise first"):
        export(second.cloud, files[2])


def test_import_of_an_own_export(phone, tmp_path):
    """Importing one's own export adds no record, so it can be repeated."""
    plant(phone.cloud, PERSONA)
    export(phone.cloud, tmp_path / "mine.zip")
    with zipfile.ZipFile(tmp_path / "mine.zip") as archive:
        archive.extractall(tmp_path / "out")
    for kind in ("receipts", "manifest.json"):
        path = tmp_path / "out" / kind
        for each in [*path.iterdir()] if path.is_dir() else [path]:
            each.unlink()
    added, failures = import_file(phone.cloud, tmp_path / "out")
    assert failures == []
    assert not any(added.values())
    assert added.keys() == set(KINDS)


@pytest.mark.needs("age")
def test_the_age_program_opens_every_piece_of_the_store(served, phone, tmp_path):
    """The key from the owner's records opens every piece with the age program alone."""
    plant(phone.cloud, PERSONA)
    phone.sync()
    (row,) = phone.cloud.store.live("keys")
    (tmp_path / "key").write_text(decode_inner(row.body)["age"] + "\n")
    photos = [decode_photo(each.body) for each in phone.cloud.store.live("photo")]
    found = {}
    for body in (served.folder / "bodies" / "blobs").rglob("*"):
        if body.is_file():
            found[hashlib.sha256(body.read_bytes()).hexdigest()] = body
    for photo in photos:
        (piece,) = photo.pieces
        opened = subprocess.run(
            ["age", "-d", "-i", tmp_path / "key", found[piece.name]],
            capture_output=True,
            check=True,
        )
        assert hashlib.sha256(opened.stdout[: piece.length]).hexdigest() == photo.sha256
    assert photos


def test_erasure_and_its_receipt(phone, second):
    """The phone keeps its records and the receipt; all types are off, and the account is gone."""
    plant(phone.cloud, PERSONA)
    phone.sync()
    region = phone.cloud.region
    erase(phone.cloud)
    wait_for_erasure(phone)
    receipt = finish_erasure(phone.cloud)
    assert receipt["erased"]["items"] > len(PERSONA.contacts)
    assert [kind for kind, _ in phone.cloud.store.receipts()] == ["consent", "erasure"]
    assert len(phone.bodies("contact")) == len(PERSONA.contacts)
    phone.wire.forget()
    with pytest.raises(OffError):
        phone.sync()
    assert phone.wire.is_silent
    with pytest.raises(RefusedError, match="logged out"):
        second.sync()
    assert region.name == "id"


def test_move_to_another_region(phone, tmp_path):
    """The words on the owner's paper open the new account; no record is lost.

    The requests to both regions are counted.
    """
    with serve(tmp_path / "eu", region="eu") as eu:
        cloud = phone.cloud
        cloud.regions = {**cloud.regions, **eu.regions}
        plant(cloud, PERSONA)
        phone.sync()
        with cloud.connect() as service:
            words = encode_words(load_words(cloud, service))
        before = {kind: phone.bodies(kind) for kind in KINDS[:3]}
        report = move_to(phone, "eu", "ani")
        assert report.sent["contact"] == len(PERSONA.contacts)
        heads = [data for data in phone.wire.sent if b" HTTP/1.1\r\n" in data]
        assert (cloud.sent, cloud.requests) == (len(phone.wire.bytes), len(heads))
        wait_for_erasure(phone)
        assert finish_erasure(cloud)["type"] == "erasure"
        assert {kind: phone.bodies(kind) for kind in KINDS[:3]} == before
        assert (cloud.region.name, cloud.enabled_types) == ("eu", KINDS)
        add_note(cloud, "after", "x")
        assert phone.sync().sent == {"note": 1, "devices": 1}
        assert not cloud.store.folder.with_name("cloud-next").exists()
        third = make_phone(eu, tmp_path / "third")
        recover(third.cloud, third.cloud.regions["eu"], "ani", words, f"{PASSWORD} again")
        with pytest.raises(RefusedError, match="logged out"):
            phone.sync()


def test_move_to_a_region_that_loses_records(phone, tmp_path, monkeypatch):
    """If the new region does not return all records, the old account stays and keeps its data."""
    with serve(tmp_path / "eu", region="eu") as eu:
        cloud = phone.cloud
        cloud.regions = {**cloud.regions, **eu.regions}
        add_note(cloud, "t", "x")
        phone.sync()
        send_request = Connection.request

        def lose(line, method, path, headers, body=None):
            answer = send_request(line, method, path, headers, body)
            if "/item/?limit=100" in path and line.host == eu.url.partition("//")[2]:
                page = msgspec.msgpack.encode({"data": [], "stoken": "A" * 38, "done": True})
                return replace(answer, body=page)
            return answer

        monkeypatch.setattr(Connection, "request", lose)
        with pytest.raises(DeceivedError, match="does not return all notes"):
            move_to(phone, "eu", "ani")
        monkeypatch.undo()
        add_note(cloud, "more", "x")
        assert phone.sync().sent["note"] == 1
        assert cloud.region.name == "id"


def test_power_cuts_during_a_move(served, tmp_path):
    """After a power cut the phone is at either region, or between them, with all its records.

    One phone moves back and forth, and loses power at each fifth send or read of a move.
    """
    with serve(tmp_path / "eu", region="eu") as eu:
        folder, regions = tmp_path / "phone", {**served.regions, **eu.regions}
        phone = set_up(make_phone(served, folder), new_name(), on=("note",))
        add_note(phone.cloud, "t", "x")
        phone.sync()
        before = phone.bodies("note")
        ends, number, is_over = set(), -4, False
        while not is_over:
            number += 5
            phone.cloud.regions = regions
            here, name = phone.cloud.region.name, new_name()
            there = "eu" if here == "id" else "id"
            try:
                with killed_at(phone, number):
                    move_to(phone, there, name)
                is_over = True
            except KilledError:
                pass
            phone.cloud.store.close()
            phone = make_phone(served, folder)
            phone.cloud.regions = regions
            assert phone.bodies("note") == before
            if phone.cloud.store.get("token") and not phone.cloud.enabled_types:
                log_out(phone.cloud)  # the old account may be erased, and the answer lost
            if not phone.cloud.store.get("token"):
                ends.add("between")
                set_up(phone, name, on=("note",), is_new=False, region=there)
            else:
                ends.add("here" if phone.cloud.region.name == here else "there")
            phone.sync()
            assert phone.bodies("note") == before
        assert phone.cloud.region.name == there
    assert {"here", "there"} <= ends


def move_to(phone, region, name):
    """Move to a region as an owner who has read the policy."""
    cloud = phone.cloud
    policy, _ = fetch_policy(cloud, cloud.regions[region], "en")
    return move(
        *(cloud, cloud.regions[region], name, PASSWORD),
        locale="en",
        at_least=30,
        guardian=False,
        sha256=policy.sha256,
    )

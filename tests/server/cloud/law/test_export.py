"""The export: all data, byte for byte, in a form that other programs read."""

import hashlib
import io
import json
import os
import zipfile

import msgspec
import pytest

from tests.server.cloud.blobs.test_restic import Restic
from tests.server.cloud.device import change, make_item
from tests.server.cloud.law.test_consents import read_receipt
from tests.server.cloud.policies import POLICY, sign

LARGE = 20_000


async def export(device):
    """Return the archive that a device downloads."""
    headers = {"Authorization": f"Token {device.token}"}
    async with device.http.get(f"{device.url}/account/1/export", headers=headers) as answer:
        assert answer.status == 200
        assert answer.content_type == "application/zip"
        return await answer.read()


def read_values(data):
    """Return the msgpack values of a sequence in which each follows its length."""
    found = []
    while data:
        end = 4 + int.from_bytes(data[:4], "big")
        found.append(msgspec.msgpack.decode(data[4:end]))
        data = data[end:]
    return found


async def test_content_of_an_export(cloud):
    """The export has keys, receipts, items with revisions, chunks, and a manifest of hashes."""
    device, other = await cloud.device(), await cloud.device("budi")
    await other.create()
    described = await device.create(b"notes")
    collection, first = described["uid"], make_item(os.urandom(LARGE))
    second = change(first, chunks=[])
    await device.batch(collection, first)
    await device.batch(collection, second)
    data = await export(device)
    assert data == await export(device)
    archive = zipfile.ZipFile(io.BytesIO(data))
    assert archive.testzip() is None
    manifest = json.loads(archive.read("manifest.json"))
    names = set(archive.namelist()) - {"manifest.json"}
    assert set(manifest) == names
    for name in names:
        assert manifest[name] == hashlib.sha256(archive.read(name)).hexdigest()
    (receipt,) = (name for name in names if name.endswith(".note") and "receipts" in name)
    assert read_receipt(archive.read(receipt).decode())["record"]["event_state"] == "given"
    assert archive.read("policies/1.note") == sign(POLICY)
    account = msgspec.msgpack.decode(archive.read("account.msgpack"))
    _, login = await device.log_in()
    assert account["username"] == "ani"
    assert account["encryptedContent"] == login["user"]["encryptedContent"]
    folder = f"collections/{collection}"
    assert {name.split("/")[1] for name in names if name.startswith("collections/")} == {collection}
    kept = msgspec.msgpack.decode(archive.read(f"{folder}/collection.msgpack"))
    assert kept["collectionType"] == b"notes"
    items = {each["uid"]: each for each in read_values(archive.read(f"{folder}/items"))}
    revisions = [each["meta"] for each in items[first["uid"]]["revisions"]]
    assert revisions == [second["content"]["meta"], first["content"]["meta"]]
    ((uid, body),) = read_values(archive.read(f"{folder}/chunks"))
    assert [uid, body] == first["content"]["chunks"][0]


@pytest.mark.needs("restic")
async def test_restic_opens_the_vault_of_an_export(cloud, tmp_path):
    """The folder of an exported vault is a valid restic repository."""
    device = await cloud.device()
    restic = Restic("ani", await device.make_token(), tmp_path)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "1.jpg").write_bytes(os.urandom(100_000))
    remote = f"rest:{cloud.url}/blobs/photos/"
    await restic.run("-r", remote, "init")
    await restic.run("-r", remote, "backup", tmp_path / "photos")
    zipfile.ZipFile(io.BytesIO(await export(device))).extractall(tmp_path / "export")
    vault = tmp_path / "export" / "vaults" / "photos"
    await restic.run("-r", vault, "check", "--read-data")
    # A withdrawn consent stops uploads, but an unmodified restic can still read.
    await device.ask("POST", "consents/withdrawal")
    await restic.run("-r", remote, "restore", "latest", "--target", tmp_path / "restored")
    (restored,) = (tmp_path / "restored").rglob("1.jpg")
    assert restored.read_bytes() == (tmp_path / "photos" / "1.jpg").read_bytes()


async def test_export_without_a_body_is_cut_off(cloud):
    """If a body is missing, the export is cut off, so that it is not taken for a complete one."""
    device = await cloud.device()
    collection = (await device.create())["uid"]
    await device.batch(collection, make_item(os.urandom(LARGE)))
    (body,) = cloud.stored_bodies()
    body.unlink()
    with pytest.raises(Exception, match=r"(?i)payload|disconnect|reset|closed"):
        await export(device)

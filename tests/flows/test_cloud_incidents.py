"""The runbooks of docs/how-to/cloud-incidents.md: commands run, and owners' clients continue."""

import asyncio
import contextlib
import hashlib
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest

from server.cli import cli
from server.cloud.pepper.file import load_pepper
from server.cloud.settings import CloudFolder
from server.cloud.storage.bodies import LocalBodies
from server.storage.errors import StorageError
from tests.server.cloud.device import make_item, running

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "cloud-incidents.md").read_text(
    encoding="utf-8"
)
BODY = os.urandom(20_000)


def commands(title):
    """Return the command blocks of a section of the page."""
    section = re.search(rf"^## {title}$.*?(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)[0]
    blocks = re.findall(r"```console\n(.*?)```", section, re.DOTALL)
    return [re.findall(r"^ *\$ (.*)$", block, re.MULTILINE) for block in blocks]


async def play(lines, typed=""):
    """Run commands of the page, with `typed` as input; returns their output."""
    return await asyncio.to_thread(lambda: "".join(run(line, typed) for line in lines))


def run(line, typed=""):
    """Run one command; hening's own commands run in this process, which saves the start-up time."""
    words = shlex.split(line)
    if words[0] != "hening-server":
        done = subprocess.run(words, check=True, capture_output=True, text=True)
        return done.stdout
    said = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(said):
        patch.setattr(sys, "stdin", io.StringIO(typed))
        cli.main(words[1:], prog_name="hening-server", standalone_mode=False)
    return said.getvalue()


@pytest.fixture
def rehearsal(tmp_path, monkeypatch):
    """Return an empty folder with a cloud, as on the page."""
    monkeypatch.chdir(tmp_path)
    said = run("hening-server cloud init --folder cloud --pepper pepper --region id")
    (tmp_path / "paper").write_text(find_lines(said))
    return tmp_path


def find_lines(said):
    """Return the lines of a command's output that are to be written on paper."""
    return "\n".join(line for line in said.splitlines() if line.startswith("  "))


def serve(folder, **settings):
    """Serve the cloud of a folder."""
    found = CloudFolder(folder)
    bodies = LocalBodies(found.bodies, os.urandom, keep_free=settings.pop("keep_free", 0))
    drawn = load_pepper(folder.parent / "pepper", os.geteuid())
    peppers = settings.pop("peppers", None) or drawn.candidates("id", os.urandom)
    return running(folder / "cloud.sqlite", folder, bodies=bodies, peppers=peppers, **settings)


async def begin(cloud):
    """Let an owner store an item, and a program store an object."""
    device = await cloud.device()
    device.collection = (await device.create())["uid"]
    assert (await device.batch(device.collection, make_item(BODY)))[0] == 200
    login = aiohttp.encode_basic_auth("ani", await device.make_token())
    device.login = {"Authorization": login}
    assert await send(device, "POST", "?create=true") == 200
    assert await send(device, "POST", f"data/{hashlib.sha256(BODY).hexdigest()}", BODY) == 200
    return device


async def send(device, method, name, body=None):
    """Send a request to the blobs API; returns the status."""
    address = f"{device.url}/blobs/photos/{name}"
    async with device.http.request(method, address, data=body, headers=device.login) as answer:
        return answer.status


async def count(device):
    """Return how many items a device sees in its collection."""
    status, listed = await device.call("GET", f"collection/{device.collection}/item/")
    assert status == 200
    return len(listed["data"])


def on(device, cloud):
    """Point a device to another server."""
    device.http, device.url = cloud.http, cloud.url
    return device


async def test_restore_from_old_backup(rehearsal):
    """Later data is missing until a device sends it again; sessions have ended."""
    later = make_item(BODY)
    async with serve(rehearsal / "cloud") as cloud:
        device = await begin(cloud)
        await play(["hening-server cloud backup --folder cloud --out backup"])
        assert (await device.batch(device.collection, later))[0] == 200
    said = await play(commands("Restore from an old backup")[0])
    assert said.count("Nothing is wrong.") == 2
    async with serve(rehearsal / "cloud") as cloud:
        assert (await on(device, cloud).ask("GET", "usage"))[0] == 401
        await device.log_in()
        assert await count(device) == 1
        assert (await device.batch(device.collection, later))[0] == 200
        assert await count(device) == 2


async def test_disk_full(rehearsal):
    """Uploads are refused, removals and reads are not; maintenance and check report the rest."""
    async with serve(rehearsal / "cloud") as cloud:
        device = await begin(cloud)
    async with serve(rehearsal / "cloud", keep_free=1 << 60) as cloud:
        await on(device, cloud).log_in()
        assert (await device.batch(device.collection, make_item(BODY)))[0] == 507
        assert await count(device) == 1
        assert "Nothing is wrong." in await play(commands("Disk full")[0])
        assert await send(device, "DELETE", f"data/{hashlib.sha256(BODY).hexdigest()}") == 200


async def test_move_to_another_machine_or_store(rehearsal):
    """The same sessions continue to read and write."""
    first, second = commands("Move to another machine or store")
    async with serve(rehearsal / "cloud") as cloud:
        device = await begin(cloud)
        await play(first[:1])
        assert (await device.batch(device.collection, make_item(BODY)))[0] == 200
    await play(first[1:])
    assert "Nothing is wrong." in await play(second)
    await asyncio.to_thread(shutil.rmtree, rehearsal / "cloud")
    async with serve(rehearsal / "moved") as cloud:
        assert await count(on(device, cloud)) == 2
        assert (await device.batch(device.collection, make_item(BODY)))[0] == 200


async def test_region_closed(rehearsal):
    """All APIs refuse new data; stored data can be read and removed until none is left."""
    async with serve(rehearsal / "cloud") as cloud:
        device = await begin(cloud)
    async with serve(rehearsal / "cloud", closing=True) as cloud:
        await on(device, cloud).log_in()
        status, answer = await device.batch(device.collection, make_item(b"small"))
        assert (status, answer["code"]) == (403, "region_closing")
        address = f"collection/{device.collection}/item/{'a' * 24}/chunk/{'b' * 24}/"
        assert (await device.call("PUT", address, raw=b"chunk"))[0] == 403
        body = {"item": make_item(), "collectionKey": b"key", "collectionType": b"type"}
        assert (await device.call("POST", "collection/", body))[0] == 403
        assert (
            await send(device, "POST", f"data/{hashlib.sha256(b'new').hexdigest()}", b"new") == 403
        )
        assert (
            await send(device, "POST", f"locks/{hashlib.sha256(b'lock').hexdigest()}", b"lock")
            == 200
        )
        assert await count(device) == 1
        name = f"data/{hashlib.sha256(BODY).hexdigest()}"
        assert await send(device, "GET", name) == 200
        assert await send(device, "DELETE", name) == 200
    await play(["hening-server cloud backup --folder cloud --out backup"])
    await play(commands("Close a region")[0])
    left = await asyncio.to_thread(lambda: [path.name for path in rehearsal.iterdir()])
    assert left == ["paper"]


@pytest.mark.parametrize("title", ["Stolen database", "Stolen database and pepper"])
async def test_stolen_database(rehearsal, title):
    """Owners get a notice; sessions and passwords still work, and the stolen pepper does not."""
    async with serve(rehearsal / "cloud") as cloud:
        device = await begin(cloud)
    stolen = load_pepper(rehearsal / "pepper", os.geteuid()).candidates("id", os.urandom)
    blocks = commands(title)
    await play([line for block in blocks[:-1] for line in block])
    with pytest.raises(StorageError, match="pepper"):
        async with serve(rehearsal / "cloud", peppers=stolen):
            raise AssertionError
    async with serve(rehearsal / "cloud") as cloud:
        assert (await on(device, cloud).ask("GET", "notices"))[1] == []
        await play(blocks[-1])
        (notice,) = (await device.ask("GET", "notices"))[1]
        assert (notice["kind"], notice["text"]) == ("breach", shlex.split(blocks[-1][0])[5])
        assert await count(device) == 1
        assert (await device.log_in())[0] == 200


async def test_pepper_rotated_and_lost(rehearsal):
    """The lines that the rotation printed restore the pepper; owners notice neither."""
    async with serve(rehearsal / "cloud") as cloud:
        device = await begin(cloud)
    said = await play(commands("Rotate the pepper")[0])
    rotated = (rehearsal / "pepper").read_bytes()
    (rehearsal / "pepper").unlink()
    (restore,) = commands("Restore a lost pepper")
    with pytest.raises(StorageError, match="encrypted with another pepper"):
        await play(restore, (rehearsal / "paper").read_text())
    await play(restore, find_lines(said))
    assert (rehearsal / "pepper").read_bytes() == rotated
    async with serve(rehearsal / "cloud") as cloud:
        assert await count(on(device, cloud)) == 1
        assert (await device.log_in())[0] == 200


async def test_harmful_account(rehearsal):
    """The account is found by its bytes and suspended; its owner can still export."""
    async with serve(rehearsal / "cloud") as cloud:
        device = await begin(cloud)
        shown, suspend = commands("Suspend a harmful account")[0]
        account = re.search(r"[A-Za-z0-9_-]{22}", await play([shown]))[0]
        await play([suspend.replace("A" * 22, account)])
        assert (await device.batch(device.collection, make_item(BODY)))[0] == 403
        assert (await device.ask("GET", "export"))[0] == 200


def test_each_runbook_has_commands():
    """Each runbook has commands and is in the page's table."""
    titles = re.findall(r"^## (.*)$", PAGE, re.MULTILINE)
    assert titles == re.findall(r"^\| \[(.*?)\]", PAGE, re.MULTILINE)
    assert all(commands(title) for title in titles)

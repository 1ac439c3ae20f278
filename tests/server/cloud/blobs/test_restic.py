"""restic, as packaged by Debian, backs up and restores through the blobs API."""

import asyncio
import contextlib
import hashlib
import json
import os
import random
import time
import uuid

import pytest

from server.cloud.storage.s3_bodies import S3Bodies
from tests.server.cloud.device import running

pytestmark = [pytest.mark.needs("restic"), pytest.mark.needs("seaweed")]


@pytest.fixture
async def cloud(place, seaweed, tmp_path):
    """Yield a cloud that stores bodies in S3; `law/test_export.py` runs restic with a folder."""
    bodies = S3Bodies(seaweed.place(f"cloud/{uuid.uuid4()}"), tmp_path / "spool", time.time)
    async with running(place, tmp_path, bodies=bodies) as served:
        yield served


class Restic:
    """The program restic, with an owner's token; `repository` is its default repository."""

    def __init__(self, name, token, folder, repository=""):
        self._environment = {
            "HOME": str(folder),
            "PATH": os.environ["PATH"],
            "RESTIC_REPOSITORY": repository,
            "RESTIC_REST_USERNAME": name,
            "RESTIC_REST_PASSWORD": token,
            "RESTIC_PASSWORD": "fixture only",
            "RESTIC_PROGRESS_FPS": "60",
        }

    async def start(self, *words):
        """Start restic."""
        return await asyncio.create_subprocess_exec(
            *("restic", "--no-cache", *map(str, words)),
            env=self._environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )

    async def run(self, *words):
        """Run restic to its end; returns its output."""
        process = await self.start(*words)
        output = (await process.communicate())[0].decode()
        assert process.returncode == 0, output
        return output


@pytest.fixture
async def restic(cloud, tmp_path):
    """Return restic with a token of an owner."""
    device = await cloud.device()
    vault = f"rest:{cloud.url}/blobs/photos/"
    return Restic("ani", await device.make_token(), tmp_path, vault)


def write_files(folder, count):
    """Write incompressible files of 1 to 3 MB."""
    folder.mkdir(exist_ok=True)
    draw = random.Random(count)
    for number in range(count):
        (folder / f"{number}.jpg").write_bytes(draw.randbytes(draw.randrange(10**6, 3 * 10**6)))


def digests(folder):
    """Return the sha256 of each file."""
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*.jpg")
    }


async def test_killed_backup_can_be_completed(restic, tmp_path):
    """A backup that was killed repeatedly during uploads can be completed and restored.

    Before the restore, an older snapshot is forgotten and the rest repacked.
    """
    photos = tmp_path / "photos"
    await restic.run("init")
    write_files(photos, 8)
    for _ in range(2):
        process = await restic.start("backup", photos, "--json")
        # restic prints its progress; it is killed once it has uploaded some bytes.
        async for line in process.stdout:
            if json.loads(line).get("bytes_done", 0) > 10**6:
                break
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.communicate()
    await restic.run("unlock", "--remove-all")
    await restic.run("backup", photos)
    write_files(photos, 2)
    await restic.run("backup", photos)
    await restic.run("forget", "--keep-last", "1", "--prune")
    assert len(json.loads(await restic.run("snapshots", "--json"))) == 1
    await restic.run("check", "--read-data")
    await restic.run("restore", "latest", "--target", tmp_path / "restored")
    assert digests(tmp_path / "restored") == digests(photos)

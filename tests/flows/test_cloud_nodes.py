"""Two cloud nodes on PostgreSQL and S3 behind nginx with TLS; one node is killed under load.

The clients are the Etebase client and restic, both third-party. Afterwards every acknowledged write
is stored, and nothing that an operator can read reveals it: the files of PostgreSQL, S3, nginx and
the nodes, logs, metrics, lists of accounts, a backup, and a node's memory.
"""

import asyncio
import contextlib
import hashlib
import json
import os
import random
import signal
import ssl
import sys
import uuid
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest

from tests.nginx import run_cloud_proxy
from tests.ports import free_port
from tests.program_runner import Programs
from tests.seaweed import BUCKET, KEY_ID, SECRET
from tests.server.cloud.policies import KEY, POLICY, TEXT, make_statement, sign
from tests.server.cloud.test_server_is_blind import dump_memory, find
from tests.server.release.certificate import write_certificate

pytestmark = [
    pytest.mark.needs(name) for name in ("etebase", "restic", "postgresql", "seaweed", "nginx")
]
FOLDER = Path(__file__).parents[1] / "etebase"
PROGRAM = (sys.executable, "-c", "from server.cli import main; main()", "cloud")
NAME, PASSWORD = "canary-owner-4711", "canary password of eight words"
BATCHES = 8
#: Values that an operator must not find. Only the name passes through a node's memory.
CANARIES = {
    "name": NAME.encode(),
    "password": PASSWORD.encode(),
    "note": b"canary-note",
    "title": b"canary-title",
    "collection": b"canary-collection",
    "file": b"canary-7.jpg",
}


@dataclass
class Deployment:
    """Nodes by number, their output files, and the database and store that they share."""

    folder: Path
    programs: Programs
    nodes: dict = field(default_factory=dict)
    metrics: int = field(default_factory=free_port)

    async def start(self, number):
        """Start a node; returns its port."""
        words = ("run", "--folder", self.folder / "cloud", "--pepper", self.folder / "pepper")
        with (self.folder / f"log-{number}").open("ab") as log:
            node = await asyncio.create_subprocess_exec(
                *PROGRAM,
                *map(str, words),
                "--port",
                "0",
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                env={**os.environ, "HENING_CLOUD_METRICS_PORT": str(self.metrics * number)},
            )
        self.nodes[number] = node
        address = (await node.stdout.readline()).decode()
        return int(address.rpartition(":")[2])

    async def command(self, *words):
        """Run a command of the cloud; returns its output."""
        program = self.programs.command("hening-server")
        process = await asyncio.create_subprocess_exec(
            *program, "cloud", *map(str, words), stdout=asyncio.subprocess.PIPE
        )
        said = (await process.communicate())[0].decode()
        assert process.returncode == 0, said
        return said

    async def stop(self):
        """Stop the running nodes."""
        for node in self.nodes.values():
            with contextlib.suppress(ProcessLookupError):
                node.terminate()
            await node.wait()


async def start_owner(mode, url, certificate, *words):
    """Start the program that acts as owner with the Etebase client."""
    return await asyncio.create_subprocess_exec(
        "node",
        "owner.cjs",
        mode,
        url,
        NAME,
        PASSWORD,
        *words,
        cwd=FOLDER,
        env={**os.environ, "NODE_EXTRA_CA_CERTS": str(certificate)},
        stdout=asyncio.subprocess.PIPE,
    )


async def follow(owner):
    """Yield the messages of the owner's program."""
    async for line in owner.stdout:
        yield json.loads(line)


async def start_restic(url, token, certificate, folder, *words):
    """Start restic on the owner's vault."""
    return await asyncio.create_subprocess_exec(
        "restic",
        "--cacert",
        str(certificate),
        *map(str, words),
        env={
            "HOME": str(folder),
            "PATH": os.environ["PATH"],
            "RESTIC_REPOSITORY": f"rest:{url}/blobs/photos/",
            "RESTIC_REST_USERNAME": NAME,
            "RESTIC_REST_PASSWORD": token,
            "RESTIC_PASSWORD": PASSWORD,
            "RESTIC_PROGRESS_FPS": "60",
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )


async def run_restic(*words):
    """Run restic to its end."""
    process = await start_restic(*words)
    said = (await process.communicate())[0].decode()
    assert process.returncode == 0, said


def write_photos(folder):
    """Write incompressible files; returns their hashes by name."""
    folder.mkdir()
    draw = random.Random(4711)
    for number in range(8):
        (folder / f"canary-{number}.jpg").write_bytes(draw.randbytes(1_500_000))
    return digests(folder)


def digests(folder):
    """Return the sha256 of each file."""
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.rglob("*.jpg")}


@pytest.fixture
async def deployment(tmp_path, postgres, seaweed, programs):
    """Yield the folder of two nodes, with settings for PostgreSQL and S3."""
    deployed = Deployment(tmp_path, programs)
    words = ("--folder", tmp_path / "cloud", "--pepper", tmp_path / "pepper", "--region", "id")
    await deployed.command("init", *words)
    (tmp_path / "secret").write_text(SECRET)
    with (tmp_path / "cloud" / "cloud.toml").open("a") as settings:
        settings.write(
            f'database_url = "{postgres.make_database()}"\n'
            f'blobs_url = "s3://{BUCKET}/cloud/{uuid.uuid4()}"\n'
            f's3_endpoint = "{seaweed.endpoint}"\ns3_key_id = "{KEY_ID}"\n'
            f's3_secret_file = "{tmp_path / "secret"}"\n'
            'behind_proxy = true\nsign_up = "open"\n'
            f'policy_key = "{KEY}"\ncountry = "{POLICY.country}"\n'
        )
    (tmp_path / "policy").write_bytes(sign(POLICY))
    (tmp_path / "text").write_bytes(TEXT)
    policy = (tmp_path / "policy", "--text", f"en={tmp_path / 'text'}")
    await deployed.command("policy", "accept", *policy, *words[:4])
    yield deployed
    await deployed.stop()


async def make_token(url, session, certificate):
    """Accept the policy, which uploads require, and make a token for restic."""
    context = ssl.create_default_context(cafile=certificate)
    headers = {"Authorization": f"Token {session}"}
    account = f"{url}/account/1"
    async with aiohttp.ClientSession(headers=headers) as http:
        async with http.post(f"{account}/consents", json=make_statement(), ssl=context) as answer:
            assert answer.status == 201
        body = {"door": "blobs"}
        async with http.post(f"{account}/app-tokens", json=body, ssl=context) as answer:
            return (await answer.json())["token"]


async def test_node_killed_under_load(deployment, tmp_path, postgres, tmp_path_factory):
    """Every acknowledged write is stored, and the operator's views reveal nothing of it."""
    certificate, key, _ = write_certificate(tmp_path, "localhost")
    before = write_photos(tmp_path / "photos")
    ports = [await deployment.start(number) for number in range(2)]
    with run_cloud_proxy(ports, certificate, key, tmp_path / "nginx") as port:
        url = f"https://localhost:{port}"
        stored, failures = {}, 0
        owner = await start_owner("write", url, certificate, str(BATCHES))
        async for told in follow(owner):
            assert "error" not in told, told
            failures += "failed" in told
            stored |= told.get("stored", {})
            if "token" in told:
                vault = (url, await make_token(url, told["token"], certificate), certificate)
                await run_restic(*vault, tmp_path, "init")
                words = ("backup", tmp_path / "photos", "--json")
                restic = await start_restic(*vault, tmp_path, *words)
            if len(stored) == 50 and deployment.nodes[0].returncode is None:
                # Both clients are running, and half of their requests go to this node.
                async for line in restic.stdout:
                    if json.loads(line).get("bytes_done", 0) > 1_000_000:
                        break
                deployment.nodes[0].send_signal(signal.SIGKILL)
        said = (await restic.communicate())[0].decode()
        assert restic.returncode == 0, said
        assert len(stored) == 10 * BATCHES
        await owner.wait()
        await check_all_is_there(vault, url, certificate, stored, tmp_path, before)
        await check_nothing_is_seen(deployment, tmp_path)
    stores = (postgres.folder, *tmp_path_factory.getbasetemp().glob("seaweed*"))
    assert len(stores) > 1
    for place in (tmp_path / "nginx", tmp_path / "cloud", tmp_path / "backup", *stores):
        assert find_in_files(place) == set(), place


async def check_all_is_there(vault, url, certificate, stored, tmp_path, before):
    """Check that new devices can read all data from the remaining node."""
    reader = await start_owner("read", url, certificate)
    told = [each async for each in follow(reader)]
    assert told[-1] == {"done": True}
    found = {each["found"]: each["length"] for each in told if "found" in each}
    assert found == stored
    await run_restic(*vault, tmp_path, "check", "--read-data")
    await run_restic(*vault, tmp_path, "restore", "latest", "--target", tmp_path / "restored")
    assert digests(tmp_path / "restored") == before


async def check_nothing_is_seen(deployment, tmp_path):
    """Search the remaining node's memory and reports, and a new backup, for the canaries."""
    folder = ("--folder", tmp_path / "cloud")
    told = [
        await deployment.command("check", *folder, "--read"),
        await deployment.command("account", "list", *folder, "--json"),
        await deployment.command("backup", *folder, "--out", tmp_path / "backup"),
    ]
    assert "Nothing is wrong." in told[0]
    url = f"http://127.0.0.1:{deployment.metrics}/metrics"
    async with aiohttp.ClientSession() as http, http.get(url) as answer:
        told.append(await answer.text())
    assert 'outcome="ok"' in told[-1]
    told += [(tmp_path / f"log-{number}").read_text() for number in range(2)]
    assert find(CANARIES, "".join(told).encode()) == set()
    in_memory = [find(CANARIES, region) for region in dump_memory(deployment.nodes[1].pid)]
    assert set().union(*in_memory) == {"name"}


def find_in_files(folder):
    """Return the names of the canaries in a folder's files."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    assert paths, folder
    return set().union(*(find(CANARIES, path.read_bytes()) for path in paths))

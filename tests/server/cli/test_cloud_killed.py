"""If a cloud is killed while an owner's keys are replaced, all keys change, or none."""

import asyncio
import contextlib

import aiohttp
import pytest
from click.testing import CliRunner
from nacl.signing import SigningKey

from server.cli import cli
from tests.server.cloud.device import Device
from tests.server.cloud.policies import policy_words

KILLED = "tests.server.cloud.killed"
WORDS = SigningKey(bytes(32))
NEW = SigningKey(bytes(range(32)))
ROTATION = "accounts,invitations,members,recoveries,sessions"
RECOVERY = "accounts,app_tokens,sessions"


@contextlib.contextmanager
def serving(programs, root, change="never"):
    """Run the cloud in `root` during the block; kill it before `change`."""
    words = ["--folder", root / "cloud", "--pepper", root / "pepper", "--port", "0"]
    words = ["cloud", "run", *words, "--sign-up", "open"]
    with (
        (root / "log").open("wb") as log,
        programs.start("python", "-m", KILLED, root, change, *words, output=log) as process,
    ):
        try:
            yield process.stdout.readline().strip()
        finally:
            process.kill()


@pytest.fixture
def root(tmp_path):
    """Return the folder of a cloud."""
    words = ["--folder", str(tmp_path / "cloud"), "--pepper", str(tmp_path / "pepper")]
    words += ["--region", "id", *policy_words(tmp_path)]
    assert CliRunner().invoke(cli, ["cloud", "init", *words]).exit_code == 0
    return tmp_path


async def rotate(device, collections):
    """Send a new account key with wraps for `collections` and recovery words."""
    wraps = [{"uid": each, "key": b"new", "type": b"new"} for each in collections]
    words = {"key": bytes(WORDS.verify_key), "wrap": b"new", "words": b"new"}
    new = {"wrap": b"new", "public_key": b"N" * 32, "collections": wraps, "recovery": words}
    return await device.ask("POST", "rotate", await device.sign("rotate", **new))


async def recover(device, _collections):
    """Recover with the recovery words."""
    keys = {"login_key": bytes(NEW.verify_key), "wrap": b"new"}
    return await device.ask("POST", "recovery/use", await device.sign("useRecovery", WORDS, **keys))


async def list_values(device, http, url):
    """Return all values that a rotation or recovery replaces, as a new device gets them."""
    found = set()
    for key in (device.key, NEW):
        again = Device(http, url, "ani", key)
        status, answer = await again.log_in()
        if status == 200:
            found.add(("login key", key is NEW))
            found.add(("wrap", answer["user"]["encryptedContent"] == b"new"))
            found.add(("public key", answer["user"]["pubkey"] == b"N" * 32))
            _, listed = await again.call("GET", "collection/")
            found |= {("collection", each["collectionKey"] == b"new") for each in listed["data"]}
            _, words = await again.ask("GET", "recovery")
            found.add(("words", words["words"] == "bmV3"))
    kept = Device(http, url, "ani", device.key, device.second)
    found.add(("sessions end", (await kept.call("GET", "collection/"))[0] == 401))
    return found


@pytest.mark.parametrize(
    ("action", "tables", "changed"),
    [
        (rotate, ROTATION, {"wrap", "public key", "collection", "words", "sessions end"}),
        (recover, RECOVERY, {"login key", "wrap", "sessions end"}),
    ],
    ids=["rotate", "recover"],
)
def test_keys_are_replaced_atomically(programs, root, action, tables, changed):
    """Before the commit no key is replaced, afterwards all are; a success is always true."""

    async def play(url, device, collections):
        async with aiohttp.ClientSession() as http:
            device.http, device.url = http, url
            with contextlib.suppress(aiohttp.ClientError):
                await action(device, collections)

    async def see(url, device):
        async with aiohttp.ClientSession() as http:
            return await list_values(device, http, url)

    async def prepare(url):
        async with aiohttp.ClientSession() as http:
            device = Device(http, url, "ani", SigningKey(b"O" * 32))
            assert (await device.sign_up())[0] == 201
            assert (await device.agree())[0] == 201
            await device.set_recovery(WORDS)
            second = Device(http, url, "ani", device.key)
            await second.log_in()
            device.second = second.token
            return device, [(await device.create())["uid"] for _ in range(2)]

    with serving(programs, root) as url:
        device, collections = asyncio.run(prepare(url))
    for change, is_done in ((f"commit {tables}", False), (f"committed {tables}", True)):
        with serving(programs, root, change) as url:
            asyncio.run(play(url, device, collections))
        assert (root / "log").read_text().splitlines()[-1] == change
        with serving(programs, root) as url:
            found = asyncio.run(see(url, device))
        assert {name for name, is_new in found if is_new} == (changed if is_done else set())
        assert len({name for name, _ in found}) == len(found)

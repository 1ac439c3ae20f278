"""Login and sign-up: one refusal for all reasons, and codes that make one account each."""

import asyncio
import os
import sys
from pathlib import Path

import msgspec
import pytest
from nacl.signing import SigningKey
from sqlalchemy import select

from server.cloud.accounts.owners import add_code, draw_code
from server.cloud.secrets import Secrets
from server.cloud.settings import SignUp
from server.cloud.storage import MIGRATIONS
from server.cloud.storage.models import Account
from server.core.errors import TrustError
from server.storage.database import open_database
from tests.cases import case
from tests.server.cloud.conftest import on_both
from tests.server.cloud.device import NOW, PEPPER, SALTS, SECRETS, Device, running

CHALLENGE = "authentication/login_challenge/"


async def test_a_device_logs_in_and_out(cloud):
    """A device's token is valid until logout, and expires after the time in the settings."""
    device = await cloud.device()
    assert (await device.log_in())[0] == 200
    assert (await device.call("GET", "collection/"))[0] == 200
    assert (await device.call("POST", "authentication/logout/"))[0] == 204
    status, answer = await device.call("GET", "collection/")
    assert (status, answer["code"]) == (401, "invalid_token")
    await device.log_in()
    cloud.clock.seconds += 400 * 24 * 60 * 60
    assert (await device.call("GET", "collection/"))[0] == 401


async def test_every_reason_has_the_same_refusal(cloud):
    """Every wrong login gets the same refusal: another key, host, action, name or challenge."""
    device = await cloud.device()
    other = await cloud.device("budi")
    _, theirs = await device.call("POST", CHALLENGE, {"username": "budi"})
    unknown = Device(cloud.http, cloud.url, "nobody")
    stranger = Device(cloud.http, cloud.url, "ani", SigningKey.generate())
    refused = [
        await stranger.log_in(),
        await unknown.log_in(),
        await device.log_in(host="other.example"),
        await device.log_in(action="changePassword"),
        await device.log_in(username="budi"),
        await device.log_in(challenge=theirs["challenge"]),
        await device.log_in(challenge=os.urandom(68)),
        await device.log_in(challenge=b""),
    ]
    _, old = await device.call("POST", CHALLENGE, {"username": "ani"})
    cloud.clock.seconds += 301
    refused.append(await device.log_in(challenge=old["challenge"]))
    assert [status for status, _ in refused] == [401] * 9
    assert all(answer == refused[0][1] for _, answer in refused)
    assert (await device.log_in())[0] == 200
    assert (await other.log_in())[0] == 200


async def test_login_names_the_host(tmp_path):
    """A login names the host that it is for; only the host name in the settings is accepted."""
    url = "https://cloud.rom.example"
    async with running(tmp_path / "cloud.sqlite", tmp_path, public_url=url) as cloud:
        device = await cloud.device()
        passed_on = cloud.url.removeprefix("http://")
        assert (await device.log_in(host=passed_on))[0] == 401
        assert (await device.log_in(host="cloud.rom.example"))[0] == 200
        _, link = await device.ask("POST", "owner-links")
        assert link["url"].startswith(f"{url}/owner/")
    async with running(tmp_path / "cloud.sqlite", tmp_path, behind_proxy=True) as cloud:
        device = Device(cloud.http, cloud.url, "ani", device.key)
        assert (await device.log_in())[0] == 200
        _, link = await device.ask("POST", "owner-links")
        assert link["url"].startswith("https://127.0.0.1:")


async def test_unknown_names_have_a_salt(cloud):
    """An unknown name always gets the same salt, which differs by name; all lengths are equal."""
    await cloud.device()
    stranger = Device(cloud.http, cloud.url, "")
    answers = {
        name: [(await stranger.call("POST", CHALLENGE, {"username": name}))[1] for _ in range(2)]
        for name in ("ani", "budi", "citra")
    }
    for first, second in answers.values():
        assert first["salt"] == second["salt"]
        assert first["challenge"] != second["challenge"]
    assert len({first["salt"] for first, _ in answers.values()}) == 3
    shapes = {
        tuple((name, len(value)) for name, value in first.items() if isinstance(value, bytes))
        for first, _ in answers.values()
    }
    assert len(shapes) == 1


async def test_another_password_ends_other_sessions(cloud):
    """The old key must sign a new password, which ends other sessions; a forged one is refused."""
    device = await cloud.device()
    second = Device(cloud.http, cloud.url, "ani", device.key)
    await second.log_in()
    new = SigningKey.generate()
    _, challenge = await device.call("POST", CHALLENGE, {"username": "ani"})
    response = msgspec.msgpack.encode(
        {
            "username": "ani",
            "challenge": challenge["challenge"],
            "host": cloud.url.removeprefix("http://"),
            "action": "changePassword",
            "loginPubkey": bytes(new.verify_key),
            "encryptedContent": b"wrapped anew",
        }
    )
    path = "authentication/change_password/"
    forged = {"response": response, "signature": new.sign(response).signature}
    assert (await device.call("POST", path, forged))[0] == 401
    signed = {"response": response, "signature": device.key.sign(response).signature}
    assert (await device.call("POST", path, signed))[0] == 204
    assert (await second.call("GET", "collection/"))[0] == 401
    assert (await device.call("GET", "collection/"))[0] == 200
    assert (await device.log_in())[0] == 401
    device.key = new
    status, answer = await device.log_in()
    assert (status, answer["user"]["encryptedContent"]) == (200, b"wrapped anew")


async def test_encrypted_values_are_bound_to_their_place(database, cloud):
    """An encrypted value cannot be opened with another pepper, region, row or column."""
    await cloud.device()
    async with database() as db:
        row = (await db.scalars(select(Account))).one()
    assert SECRETS.open(row.name, "accounts", row.id, "name") == b"ani"
    for column in ("name", "salt", "login_key", "wrap"):
        sealed = getattr(row, column)
        assert SECRETS.open(sealed, "accounts", row.id, column) not in sealed
        for opener, *where in (
            (Secrets("id", bytes(32), SALTS, os.urandom), "accounts", row.id, column),
            (Secrets("de", PEPPER, SALTS, os.urandom), "accounts", row.id, column),
            (SECRETS, "sessions", row.id, column),
            (SECRETS, "accounts", row.id[::-1], column),
            (SECRETS, "accounts", row.id, "other"),
        ):
            with (
                case(column, *where),
                pytest.raises(TrustError, match="cannot be decrypted with this"),
            ):
                opener.open(sealed, *where)


async def keep_codes(place, codes):
    """Store codes, each valid until its time."""
    async with open_database(place, migrations=MIGRATIONS) as database, database.begin() as db:
        for code, until in codes.items():
            await add_code(db, code, until)


@on_both
async def test_a_code_makes_one_account(place, tmp_path):
    """A code makes one account, whose name ends in the code; before sign-up its login is refused.

    If sign-up is closed, no code makes an account.
    """
    codes = [draw_code(os.urandom) for _ in range(2)]
    async with running(place, tmp_path, sign_up=SignUp.CODE) as cloud:
        await keep_codes(place, {code: NOW + number * 100 for number, code in enumerate(codes)})
        for name in ("ani", f"ani-{codes[0]}", codes[1], f"ani-{codes[1]}x", "ani-"):
            device = Device(cloud.http, cloud.url, name)
            status, answer = await device.sign_up()
            assert (status, answer["code"]) == (403, "signup_closed"), name
            status, answer = await device.call("POST", CHALLENGE, {"username": name})
            assert status == 200, name
        device = Device(cloud.http, cloud.url, f"ani-{codes[1]}")
        status, answer = await device.call("POST", CHALLENGE, {"username": device.name})
        assert (status, answer["code"]) == (401, "user_not_init")
        assert (await device.sign_up())[0] == 201
        assert (await device.log_in())[0] == 200
        other = Device(cloud.http, cloud.url, f"budi-{codes[1]}")
        assert (await other.sign_up())[0] == 403
    async with running(place, tmp_path, sign_up=SignUp.CLOSED) as cloud:
        code = draw_code(os.urandom)
        await keep_codes(place, {code: NOW + 100})
        assert (await Device(cloud.http, cloud.url, f"budi-{code}").sign_up())[0] == 403


@pytest.mark.needs("etebase")
async def test_sign_up_and_consent_with_an_unmodified_client(place, tmp_path):
    """The client's first login makes the account; its dashboard is the page for consent."""
    code, own = draw_code(os.urandom), {"PYTHON": sys.executable}
    script = """
    const {Account} = require("etebase");
    (async () => {
      const account = await Account.login(process.env.NAME, "a long password", process.env.URL);
      const ask = async () => {
        const path = "/api/v1/authentication/dashboard_url/";
        const headers = {Authorization: "Token " + account.authToken};
        const answer = await fetch(process.env.URL + path, {method: "POST", headers});
        return /http.*/.exec(await answer.text())[0];
      };
      console.log(await ask());
      const manager = account.getCollectionManager();
      const made = await manager.create("some.type", {}, "content");
      await manager.upload(made).catch((error) => console.log(error.message));
      const dashboard = await ask();
      const form = "version=1&locale=en&at_least=18&agree=yes";
      const headers = {"Content-Type": "application/x-www-form-urlencoded"};
      const sent = {method: "POST", body: form, headers};
      console.log((await fetch(dashboard + "/consent", sent)).status);
      await manager.upload(made);
      console.log((await manager.list("some.type")).data.length);
    })();
    """
    async with running(place, tmp_path, sign_up=SignUp.CODE) as cloud:
        cloud.clock.seconds = int(asyncio.get_running_loop().time())
        await keep_codes(place, {code: cloud.clock.seconds + 100})
        process = await asyncio.create_subprocess_exec(
            *("node", "-r", "./native.cjs", "-e", script),
            cwd=Path(__file__).parents[3] / "etebase",
            env={**os.environ, **own, "URL": cloud.url, "NAME": f"ani-{code}"},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output = (await process.communicate())[0].decode().splitlines()
    assert process.returncode == 0, output
    assert output[0].startswith(f"{cloud.url}/owner/")
    assert "agree to version 1" in output[1]
    assert output[2:] == ["200", "1"]

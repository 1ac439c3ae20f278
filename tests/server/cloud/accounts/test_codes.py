"""Codes: a name that ends in one can be taken once, by its owner, and no other name can."""

import asyncio
import os
from pathlib import Path

import pytest

from server.cloud.accounts.codes import add_code, draw_code
from server.cloud.settings import SignUp
from server.cloud.storage import MIGRATIONS
from server.storage.database import open_database
from tests.server.cloud.device import NOW, Device, running

CHALLENGE = "authentication/login_challenge/"


async def keep_codes(place, codes):
    """Let codes make accounts until a time."""
    async with open_database(place, migrations=MIGRATIONS) as database, database.begin() as db:
        for code, until in codes.items():
            await add_code(db, code, until)


async def test_a_code_makes_one_account(place, tmp_path):
    """For the name that ends in it; a login with that name says that it waits for its owner."""
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


async def test_a_closed_cloud_makes_no_account(tmp_path):
    """Not even with a code."""
    place = tmp_path / "cloud.sqlite"
    async with running(place, tmp_path, sign_up=SignUp.CLOSED) as cloud:
        assert (await Device(cloud.http, cloud.url, "ani").sign_up())[0] == 403


@pytest.mark.needs("etebase")
async def test_an_unmodified_client_takes_its_name_and_finds_the_page(tmp_path):
    """Its first login makes the account; the dashboard is the page on which the owner agrees."""
    place, code = tmp_path / "cloud.sqlite", draw_code(os.urandom)
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
            *("node", "-e", script),
            cwd=Path(__file__).parents[3] / "etebase",
            env={**os.environ, "URL": cloud.url, "NAME": f"ani-{code}"},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said = (await process.communicate())[0].decode().splitlines()
    assert process.returncode == 0, said
    assert said[0].startswith(f"{cloud.url}/owner/")
    assert "agree to version 1" in said[1]
    assert said[2:] == ["200", "1"]

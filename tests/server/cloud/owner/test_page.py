"""The owner's page: its content and actions, without scripts."""

import io
import os
import re
import zipfile

from tests.server.cloud.conftest import on_both
from tests.server.cloud.device import Device, make_item, running
from tests.server.cloud.law.test_consents import read_receipt
from tests.server.cloud.policies import POLICY, make_policy

SAFE = (
    "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none';"
    " frame-ancestors 'none'"
)


class Page:
    """A browser on an owner's page."""

    def __init__(self, device, url):
        self._http, self.url = device.http, url

    async def get(self, path=""):
        """Get the page or a subpage; returns status and body."""
        async with self._http.get(f"{self.url}{path}") as answer:
            assert answer.headers["Content-Security-Policy"] == SAFE
            assert answer.headers["Referrer-Policy"] == "no-referrer"
            assert answer.headers["Cache-Control"] == "no-store"
            return answer.status, await answer.read()

    async def post(self, path, **form):
        """Send a form; returns status and text."""
        async with self._http.post(f"{self.url}/{path}", data=form) as answer:
            return answer.status, await answer.text()


async def visit(device):
    """Return the page of a device's owner."""
    status, link = await device.ask("POST", "owner-links")
    assert status == 201
    return Page(device, link["url"])


@on_both
async def test_content_of_the_page(cloud):
    """The page shows bytes, devices and receipts, without script, cookie or password field."""
    device = await cloud.device()
    second = Device(cloud.http, cloud.url, "ani", device.key)
    await second.log_in()
    collection = (await device.create())["uid"]
    await device.batch(collection, make_item(os.urandom(5000)))
    page = await visit(device)
    status, body = await page.get()
    text = body.decode()
    assert status == 200
    assert "5.13 kB of 16.1 GB" in text
    assert text.count("Log out") == 2
    assert "Agreed to version 1" in text
    assert not re.search(r"<script|javascript:|type=.password|\son\w+=|style=", text)
    (receipt,) = re.findall(r"/receipts/[\w-]{22}", text)
    assert read_receipt((await page.get(receipt))[1].decode())["type"] == "consent"
    assert zipfile.ZipFile(io.BytesIO((await page.get("/export"))[1])).testzip() is None


@on_both
async def test_consent_and_withdrawal_on_the_page(cloud):
    """The page shows the policy's text; the receipt says that no device signed."""
    device = await cloud.device(agrees=False)
    page = await visit(device)
    assert "We keep what your phone encrypts." in (await page.get())[1].decode()
    form = {"version": "1", "locale": "en", "at_least": "18"}
    assert "tick the box" in (await page.post("consent", **form))[1]
    refused = {**form, "agree": "yes", "at_least": "13"}
    assert (await page.post("consent", **refused))[0] == 422
    status, text = await page.post("consent", **form, agree="yes")
    assert (status, "You have agreed" in text) == (200, True)
    (made,) = (await device.ask("GET", "consents"))[1]["receipts"]
    receipt = read_receipt(made["receipt"])
    assert (receipt["collectionMethod"], "device" in receipt) == ("page", False)
    assert (await device.create())["uid"]
    assert "is withdrawn" in (await page.post("withdraw"))[1]
    assert "Everything is erased on" in (await page.get())[1].decode()


async def test_form_with_an_older_policy_is_refused(place, tmp_path):
    """A form with an older version is refused, and the consent to the newer one stays."""
    newer = make_policy(version=2)
    async with running(place, tmp_path, policies=(POLICY, newer)) as cloud:
        device = await cloud.device(agrees=False)
        assert (await device.agree(newer))[0] == 201
        page = await visit(device)
        form = {"version": "1", "locale": "en", "at_least": "18", "agree": "yes"}
        status, text = await page.post("consent", **form)
        assert (status, "no longer in force" in text) == (409, True)
        assert (await device.ask("GET", "consents"))[1]["agreed"] == 2
        assert (await device.create())["uid"]


async def test_logout_and_erasure_on_the_page(cloud):
    """The page works without a session, because its link is valid for ten minutes."""
    device = await cloud.device()
    page = await visit(device)
    (session,) = (await device.ask("GET", "sessions"))[1]
    assert "logged out" in (await page.post("sign-out", session=session["id"]))[1]
    assert (await device.ask("GET", "usage"))[0] == 401
    assert "No device is logged in" in (await page.get())[1].decode()
    assert (await page.post("sign-out", session=session["id"]))[0] == 404
    other = Page(device, f"{cloud.url}/owner/{'A' * 43}")
    assert (await other.get())[0] == 404
    assert (await other.post("erase", sure="yes"))[0] == 404
    cloud.clock.seconds += 599
    assert (await page.get())[0] == 200
    cloud.clock.seconds += 1
    assert (await page.get())[0] == 404
    await device.log_in()
    page = await visit(device)
    assert "tick the box" in (await page.post("erase"))[1]
    status, text = await page.post("erase", sure="yes")
    assert (status, "hening-receipt/id" in text) == (200, True)
    assert (await page.get())[0] == 404
    assert (await device.log_in())[0] == 401


async def test_a_malformed_form_changes_nothing(cloud):
    """The answer to a malformed form is a page with a message."""
    device = await cloud.device(agrees=False)
    page = await visit(device)
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    for form in ("version=x", "version=" + "1" * 9, "a=" + "b" * 5000, "%ff"):
        data = f"agree=yes&{form}".encode()
        async with cloud.http.post(f"{page.url}/consent", data=data, headers=headers) as answer:
            assert answer.status in {400, 413}, form
            assert answer.content_type == "text/html"
        assert (await device.ask("GET", "consents"))[1]["receipts"] == []

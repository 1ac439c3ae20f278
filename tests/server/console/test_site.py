"""The console's routing and its failures."""

import aiohttp
import structlog

from server.compat.options import SENTENCE, ClientChannel, CompatOptions
from server.console import overview
from server.settings import Settings
from tests.server.console.browser import console_world
from tests.server.release.api_world import FAST, api_world


async def test_console_is_off_by_default(world):
    """Without the setting there is no console, and no cookie is read or set."""
    assert not Settings().console
    settings = Settings(api_port=0, api_rate=FAST)
    async with api_world(world, settings=settings) as api, aiohttp.ClientSession() as session:
        for path in ("/", "/console/", "/console/sign-in"):
            async with session.get(api.url + path) as answer:
                assert answer.status == 404
                assert "Set-Cookie" not in answer.headers


async def test_other_paths_and_assets(team):
    """Other paths belong to the API; style and icon are cached under names with hashes.

    Neither token nor cookie is logged.
    """
    token = await team.token("viewer")
    assert (await team.api.call("GET", "/status", token=token)).status == 200
    browser = await team.browser()
    page = await browser.get("/")
    assert page.path.startswith("/console/sign-in")
    assert (await browser.get("/consolex")).headers["Content-Type"] == "application/problem+json"
    names = set(page.read.assets)
    assert {name.rpartition(".")[2] for name in names} == {"css", "svg"}
    for name in names:
        answer = await browser.get(name)
        assert answer.status == 200
        assert "immutable" in answer.headers["Cache-Control"]
        assert "Set-Cookie" not in answer.headers
    assert (await browser.get("/console/assets/console.css")).status == 404
    with structlog.testing.capture_logs() as logs:
        await browser.sign_in(token[:-1] + "x")
        await browser.sign_in(token)
        await browser.get("/console/nothing")
    assert token[:30] not in str(logs)
    assert browser.cookies()["hening-session"] not in str(logs)


async def test_failure_page_has_an_incident_number(team, monkeypatch):
    """A failure's page has an incident number, which the log has with the place."""
    browser = await team.signed_in("viewer")
    for kind, status in ((RuntimeError, 500), (OSError, 503)):

        def fail(_folder, kind=kind):
            raise kind("canary-4711")

        monkeypatch.setattr(overview, "free_bytes", fail)
        with structlog.testing.capture_logs() as logs:
            page = await browser.get("/console/")
        assert page.status == status
        (entry,) = [entry for entry in logs if entry["event"] == "the console failed"]
        assert entry["incident"] in page.text
        assert kind.__name__ in entry["error"]
        assert "canary" not in f"{entry}{page.body}"
        assert "/console/channels" in page.read.links  # signed-in users can go on


async def test_overview_warns_about_dialects(world, tmp_path):
    """The overview warns about dialects exactly if any is configured."""
    channel = ClientChannel(region="id", channel="stable")
    spoken = CompatOptions(
        public_url="http://u.example",
        dialects=("graphene",),
        devices={"FP4": "armani"},
        channels={"stable": channel},
    )
    other = world.copy(tmp_path / "other")
    for served, options, is_said in ((world, spoken, True), (other, CompatOptions(), False)):
        async with console_world(served, compat=options) as team:
            page = await (await team.signed_in("viewer")).get("/console/")
            assert (SENTENCE in page.body) is is_said

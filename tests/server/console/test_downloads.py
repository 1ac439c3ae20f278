"""How many phones have a build: what the page shows, and what it says it does not know."""

import hashlib

import pytest

from server.console.downloads import _estimate_phones
from server.release.api.models import Downloads
from server.storage.models import PackageDownloads
from tests.server.world import PACKAGE_1


@pytest.mark.parametrize(
    ("seconds", "polls", "phones"), [(21_599, 9, None), (21_600, 9, 9), (43_200, 30, 15)]
)
def test_phones_are_estimated_from_polls(seconds, polls, phones):
    """Each polls every six hours on average; before six hours most have not polled yet."""
    assert _estimate_phones(Downloads(True, polls, seconds, [])) == phones


async def test_a_build_with_downloads(team):
    """Sums and days of the build, and the command that forecasts its rollout."""
    sha256 = hashlib.sha256(PACKAGE_1).hexdigest()
    async with team.services.sessions.begin() as session:
        for day in (20_423, 20_424):
            session.add(PackageDownloads(sha256=sha256, day=day, begun=1_000, finished=980))
    browser = await team.signed_in("viewer")
    page = await browser.get("/console/releases/armani")
    assert "/console/releases/armani/downloads" in page.read.links
    text = (await browser.get("/console/releases/armani/downloads")).text
    assert "This cannot be known." in text
    assert "Downloads begun 2,000 Downloads finished 1,960" in text
    assert "2025-12-02 1,000 980 2025-12-01 1,000 980" in text
    assert "Not known here: phones reach a cache" in text  # where no polls are passed in
    assert "hening-device fleet --devices 100000 --hours 24 --stage 100%" in text

"""Pages of the lab in Chromium, at the widths of a phone and a computer, in dark and light mode."""

import pytest

from client_sim.lab.captures import rendering
from client_sim.lab.captures.audit import audit_capture
from client_sim.lab.captures.loading import load_capture
from client_sim.lab.cloud.programme import examine, load_client
from client_sim.lab.cloud.report import CloudReport
from client_sim.lab.cloud.report import render_page as render_cloud
from client_sim.lab.report.html.page import render_page
from fixtures.captures import FOLDER
from tests.client_sim.pages.test_page import ORIGIN
from tests.system.chromium import MEASURE, open_chromium, window

pytestmark = pytest.mark.needs("chromium")
OPEN = "() => document.querySelectorAll('details').forEach(each => { each.open = true; })"


@pytest.fixture
def pages(reports):
    """Return pages of `lab run`, `lab audit` and `lab cloud` by name."""
    audit = audit_capture(load_capture(FOLDER / "redmi-1s-2014.pcap"), None, None)
    examined = examine(load_client("imei-header"), parts=frozenset())
    cloud = CloudReport("imei-header", "quick", 0, examined)
    return {
        "audit": rendering.render_page(audit, ORIGIN, personal=False),
        "cloud": render_cloud(cloud, ORIGIN),
        **{
            name: render_page(getattr(reports, name), ORIGIN)
            for name in ("clean", "leaking", "hostile")
        },
    }


async def test_contrast_width_and_printing(pages):
    """AA contrast, no overflow and no requests, with all parts open.

    An audit is printed completely, including the parts that are folded on the screen.
    """
    found = {}
    async with open_chromium() as browser:
        for width, scheme in ((390, "dark"), (1280, "light")):  # neither depends on the other
            look = {"viewport": {"width": width, "height": 844}, "color_scheme": scheme}
            async with window(browser, **look) as (page, complaints):
                for name, text in pages.items():
                    await page.set_content(text)
                    await page.evaluate(OPEN)
                    problems = await page.evaluate(MEASURE)
                    if problems or complaints:
                        found[name, width, scheme] = [*problems, *complaints]
        assert found == {}
        a4 = {"width": 690, "height": 1000}  # in its margins
        async with window(browser, viewport=a4) as (page, _):
            await page.set_content(pages["audit"])
            await page.evaluate(OPEN.replace("true", "false"))
            assert not await page.locator("pre").first.is_visible()
            await page.emulate_media(media="print")
            assert await page.locator("pre").first.is_visible()
            assert await page.evaluate(MEASURE) == []

"""The page in a real Chromium: at the widths of a phone and a desk, by day and by night."""

import pytest

from client_sim.lab.report.html.page import render_page
from tests.client_sim.pages.test_origin import ORIGIN
from tests.system.chromium import MEASURE, open_chromium, window

pytestmark = pytest.mark.needs("chromium")
OPEN = "() => document.querySelectorAll('details').forEach(each => { each.open = true; })"


async def test_what_can_be_measured(reports):
    """Contrast AA, nothing beyond the screen, nothing asked from elsewhere, all parts open."""
    found = {}
    async with open_chromium() as browser:
        for width, scheme in ((390, "light"), (390, "dark"), (1280, "light"), (1280, "dark")):
            look = {"viewport": {"width": width, "height": 844}, "color_scheme": scheme}
            async with window(browser, **look) as (page, complaints):
                for name in ("clean", "leaking", "hostile"):
                    await page.set_content(render_page(getattr(reports, name), ORIGIN))
                    await page.evaluate(OPEN)
                    problems = await page.evaluate(MEASURE)
                    if problems or complaints:
                        found[name, width, scheme] = [*problems, *complaints]
    assert found == {}

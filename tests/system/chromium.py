"""A real Chromium, and measurements of a page's accessibility."""

import contextlib
from importlib.resources import files

from playwright.async_api import async_playwright

PROGRAM = "/usr/bin/chromium"
ARGUMENTS = (
    "--no-sandbox",  # tests run as root in containers
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

MEASURE = r"""
() => {
  const problems = [];
  const parse = text => {
    const found = text.match(/[\d.]+/g).map(Number);
    return {rgb: found.slice(0, 3), alpha: found.length > 3 ? found[3] : 1};
  };
  const luminance = rgb => {
    const [r, g, b] = rgb.map(value => {
      const share = value / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const grounds = new Map([[null, [255, 255, 255]]]);
  const ground = element => {
    if (!grounds.has(element)) {
      const {rgb, alpha} = parse(getComputedStyle(element).backgroundColor);
      if (alpha !== 0 && alpha !== 1) problems.push(`half-transparent ground: ${element.tagName}`);
      grounds.set(element, alpha === 1 ? rgb : ground(element.parentElement));
    }
    return grounds.get(element);
  };
  const contrast = (one, other) => {
    const [high, low] = [luminance(one), luminance(other)].sort((a, b) => b - a);
    return (high + 0.05) / (low + 0.05);
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let texts = 0;
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || !element.getClientRects().length) continue;
    texts += 1;
    const ratio = contrast(parse(getComputedStyle(element).color).rgb, ground(element));
    if (ratio < 4.5)
      problems.push(`contrast ${ratio.toFixed(2)}: ${walker.currentNode.textContent.trim()}`);
  }
  if (!texts) problems.push('the page is empty');
  for (const field of document.querySelectorAll('input:not([type=hidden]), select, textarea')) {
    if (!field.labels.length) problems.push(`no label: ${field.name}`);
    const edge = contrast(parse(getComputedStyle(field).borderTopColor).rgb, ground(field));
    if (edge < 3) problems.push(`faint field ${edge.toFixed(2)}: ${field.name}`);
  }
  const targets = 'button, input:not([type=hidden]), .button, nav a';
  for (const target of document.querySelectorAll(targets)) {
    const box = target.getBoundingClientRect();
    if (box.height < 24 || box.width < 24) problems.push(`small target: ${target.textContent}`);
  }
  const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  if (wide > 0) problems.push(`${wide} px beyond the screen`);
  return problems;
}
"""
"""Measures WCAG 2.2: contrast (1.4.3, 1.4.11), reflow (1.4.10) and target sizes (2.5.8)."""


AXE = (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")
_RUN = """
async (rules) => {
  // Its own requests are forbidden by the policy, and satisfied rules are not reported.
  const chosen = rules.length ? {runOnly: {type: 'rule', values: rules}} : {};
  const found = await axe.run({preload: false, resultTypes: ['violations'], ...chosen});
  return found.violations.map(each => `${each.id}: ${each.nodes.map(node => node.html).join(' ')}`);
}
"""


async def find_violations(page, rules=()):
    """Return the axe-core rules that a page violates, each with the elements concerned.

    Without `rules` all are checked that axe-core enables by default.
    """
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(AXE)
    return await page.evaluate(_RUN, list(rules))


@contextlib.asynccontextmanager
async def open_chromium():
    """Yield a browser."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=PROGRAM, args=list(ARGUMENTS))
        try:
            yield browser
        finally:
            await browser.close()


@contextlib.asynccontextmanager
async def window(browser, **options):
    """Yield a page of a new profile, and the list of its errors and requests to other hosts."""
    context = await browser.new_context(**options)
    page = await context.new_page()
    complaints = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "request",
        lambda request: None if "//127.0.0.1:" in request.url else complaints.append(request.url),
    )
    try:
        yield page, complaints
    finally:
        await context.close()

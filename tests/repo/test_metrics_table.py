"""docs/reference/metrics.md lists every metric and its use; code and alert rules agree."""

import re
from pathlib import Path

from server.alarms import Instruments
from server.http.counts import Counts, CountsCollector
from server.http.requests import Reason
from server.processes.supervisor import LostCollector
from server.release.api.catalogue import OPERATIONS
from server.release.api.status import CLASSES, ApiMetrics
from server.release.api.urgent import URGENT_OPERATIONS
from server.release.errors import Share
from server.release.webhooks.delivery import WebhookMetrics
from server.tree_watch import TreeMetrics
from tests.repo.test_request_table import read_table
from tests.server.world import clock

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reference" / "metrics.md"
RULES = (ROOT / "deploy" / "prometheus" / "hening.rules.yml").read_text(encoding="utf-8")


def code(cell):
    """Return the code spans of a cell."""
    return tuple(re.findall(r"`(\w+)`", cell))


def table():
    """Return labels and use by metric, as the page has them."""
    rows = [row.values() for row in read_table("metrics", PAGE)]
    return {code(name)[0]: (code(labels), use) for name, labels, _, use in rows}


def declared():
    """Return the labels of every metric that a running server can have."""
    registry = Instruments(clock, lambda: 0.0, lambda _step: None).registry
    ApiMetrics(registry, OPERATIONS)
    ApiMetrics(registry, URGENT_OPERATIONS, "urgent")
    WebhookMetrics(registry)
    TreeMetrics(registry, lambda: 0.0)
    found = {}
    for family in (
        *CountsCollector(Counts()).collect(),
        *CountsCollector(Counts(), "hening_compat").collect(),
        *LostCollector(lambda: 0).collect(),
    ):
        name = family.name + ("_total" if family.type == "counter" else "")
        found[name] = tuple(family.samples[0].labels)
    for collector in registry._collector_to_names:
        family = next(iter(collector.describe()), None) or next(iter(collector.collect()))
        name = family.name + ("_total" if family.type == "counter" else "")
        found[name] = tuple(collector._labelnames)
    return found


def rules():
    """Return the metrics that each alert uses."""
    parts = re.split(r"- alert: (\w+)", re.sub(r"#.*", "", RULES))[1:]
    named = {}
    for alert, body in zip(parts[::2], parts[1::2], strict=True):
        expression = re.search(r"expr: (.*)", body)[1]
        named[alert] = set(re.findall(r"\bhening_\w+", expression))
    return named


def test_every_metric_is_on_the_page():
    """The page has the code's metrics with their labels, and no others."""
    assert {name: labels for name, (labels, _) in table().items()} == declared()


def test_label_values():
    """Rows list their labels' values: reasons of refusals, and classes and limits of the API."""
    for name, values in (
        ("hening_refusals_total", Reason),
        ("hening_api_requests_total", CLASSES),
        ("hening_api_limits_total", Share),
    ):
        row = next(line for line in PAGE.read_text("utf-8").splitlines() if f"`{name}`" in line)
        assert {f"`{value}`" for value in values} <= set(re.findall(r"`\w+`", row)), name


def test_every_metric_has_a_use():
    """Each metric names the alert rules that use it, or its purpose; each rule's metrics name it.

    The cloud's metrics have their own table and tests.
    """
    found = {
        alert: names
        for alert, names in rules().items()
        if not all(name.startswith("hening_cloud_") for name in names)
    }
    asked = {}
    for name, (_, use) in table().items():
        assert use
        for alert in code(use):
            assert name in found[alert]
            asked.setdefault(alert, set()).add(name)
    assert asked == found

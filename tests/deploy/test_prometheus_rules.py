"""The alert rules, checked and tried out by Prometheus' own tool."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from server.instruments import Instruments
from tests.server.world import clock

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy" / "prometheus" / "hening.rules.yml"


def promtool(*arguments, cwd):
    """Run promtool; what it says is shown where it fails."""
    done = subprocess.run(
        ["promtool", *arguments], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.needs("promtool")
def test_the_rules_are_well_formed():
    """As Prometheus itself reads them."""
    promtool("check", "rules", str(RULES), cwd=ROOT)


@pytest.mark.needs("promtool")
def test_each_alert_fires_when_it_should(tmp_path):
    """And none of them on a server that is well."""
    shutil.copy(RULES, tmp_path)
    shutil.copy(Path(__file__).with_name("hening.rules.test.yml"), tmp_path)
    promtool("test", "rules", "hening.rules.test.yml", cwd=tmp_path)


def test_every_metric_of_the_rules_exists():
    """A rule about a metric that nobody writes never fires."""
    tools = Instruments(clock, lambda: 0.0, lambda _step: None)
    assert isinstance(tools.registry, CollectorRegistry)
    tools.metrics.expiry.labels("root").set(1)
    tools.metrics.used.labels("root").set(1)
    there = set(re.findall(r"^(\w+)", generate_latest(tools.registry).decode(), re.MULTILINE))
    named = set(re.findall(r"\bhening_\w+", re.sub(r"#.*", "", RULES.read_text())))
    assert named <= there
    assert "hening_role_life_used_ratio" in named

"""The alert rules, checked and tested by Prometheus' own tool."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy" / "prometheus" / "hening.rules.yml"
SITE_RULES = ROOT / "deploy" / "grown" / "hening-site.rules.yml"


def promtool(*arguments, cwd):
    """Run promtool; its output is shown if it fails."""
    done = subprocess.run(
        ["promtool", *arguments], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.needs("promtool")
def test_rules_are_valid():
    """Prometheus accepts the rules."""
    promtool("check", "rules", str(RULES), str(SITE_RULES), cwd=ROOT)


@pytest.mark.needs("promtool")
def test_alerts_fire(tmp_path):
    """Each alert fires in its case, and none fires on a healthy server."""
    for rules in (RULES, SITE_RULES):
        cases = f"{rules.name.removesuffix('.yml')}.test.yml"
        shutil.copy(rules, tmp_path)
        shutil.copy(Path(__file__).with_name(cases), tmp_path)
        promtool("test", "rules", cases, cwd=tmp_path)


def test_every_alert_is_tested():
    """Each rule fires in at least one case of the test file."""
    for rules in (RULES, SITE_RULES):
        cases = Path(__file__).with_name(f"{rules.name.removesuffix('.yml')}.test.yml").read_text()
        fired = set(re.findall(r"alertname: (\w+)\n +exp_alerts:\n", cases))
        assert fired == set(re.findall(r"- alert: (\w+)", rules.read_text()))

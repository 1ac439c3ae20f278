"""Templates of reports show their values without interpreting them."""

import platform
from datetime import UTC, datetime

import pytest
from jinja2 import UndefinedError

from client_sim.pages.page import Origin, make_environment

REPORT = """{% extends "base.html" %}
{% block title %}{{ name }}{% endblock %}
{% block content %}<p>{{ number|commas }}</p>{% endblock %}
"""
ORIGIN = Origin(datetime(2026, 12, 1, 12, 9, tzinfo=UTC), "hening-device 1.0", "Linux, 2 CPUs")


@pytest.fixture
def template(tmp_path):
    """Return the template of a report."""
    (tmp_path / "report.html").write_text(REPORT)
    return make_environment(tmp_path).get_template("report.html")


def test_a_report_fills_the_blocks_of_the_common_page(template):
    """The page has the common style and loads no other resource."""
    page = template.render(name="<script>", number=1234567, origin="Made here.")
    assert "<title>&lt;script&gt;</title>" in page
    assert "<p>1,234,567</p>" in page
    assert "Made here.</footer>" in page
    assert "--ink" in page
    assert "<script" not in page
    # A missing value is an error.
    with pytest.raises(UndefinedError):
        template.render(number=1)


def test_line_of_an_origin():
    """The line has time, program and machine, and titles use the date alone."""
    line = "Made 2026-12-01 12:09 UTC by hening-device 1.0 on Linux, 2 CPUs."
    assert (str(ORIGIN), ORIGIN.day) == (line, "2026-12-01")


def test_origin_of_this_process():
    """It has a version and no host name. 1764590400 is noon of 1 December 2025."""
    origin = Origin.read(1_764_590_400)
    assert origin.made == datetime(2025, 12, 1, 12, 0, tzinfo=UTC)
    assert origin.program.startswith("hening-device ")
    assert f"Python {platform.python_version()}" in origin.program
    assert platform.machine() in origin.machine
    assert platform.node() not in str(origin)

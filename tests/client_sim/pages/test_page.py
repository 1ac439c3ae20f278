"""Templates of reports: what they are given is shown and not obeyed."""

import pytest
from jinja2 import UndefinedError

from client_sim.pages.page import make_environment

REPORT = """{% extends "base.html" %}
{% block title %}{{ name }}{% endblock %}
{% block content %}<p>{{ number|commas }}</p>{% endblock %}
"""


@pytest.fixture
def template(tmp_path):
    """Give a report's template."""
    (tmp_path / "report.html").write_text(REPORT)
    return make_environment(tmp_path).get_template("report.html")


def test_a_report_fills_the_blocks_of_the_common_page(template):
    """With the common style, and nothing that a browser would load."""
    page = template.render(name="<script>", number=1234567, origin="Made here.")
    assert "<title>&lt;script&gt;</title>" in page
    assert "<p>1,234,567</p>" in page
    assert "Made here.</footer>" in page
    assert "--ink" in page
    assert "<script" not in page


def test_a_value_that_is_missing_is_an_error(template):
    """A page never hides that it does not know something."""
    with pytest.raises(UndefinedError):
        template.render(number=1)

"""A fleet of 2,000 phones polls its own server for a simulated day, in seconds."""

import json
import re
import subprocess
from itertools import pairwise, product

import pytest

FLEET = "from client_sim.cli import main; main()"
PHONES = 2000
SIZE = 12_000
MODELS = [f"model{number:03}" for number in range(2)]
REGIONS = ("id", "eu", "in")
_PACKAGE = re.compile(
    r"GET /targets/(\w+)/(\w+)/stable/([0-9a-f]{64})\.\1-3-full\.zip  bytes=0-(\d+)"
)
PER_HOUR = 4
"""Points of the curve per hour; the day has 96."""


@pytest.fixture(scope="module")
def day(programs, tmp_path_factory):
    """Return the report of the day, as JSON and as a page."""
    page = tmp_path_factory.mktemp("fleet") / "fleet.html"
    stages = [word for stage in ("10%=8h", "50%=8h", "100%") for word in ("--stage", stage)]
    done = subprocess.run(
        [
            *(*programs.command("python"), "-c", FLEET, "fleet", "--devices", str(PHONES)),
            *("--hours", "24", "--speed", "14400"),
            *("--models", str(len(MODELS)), "--package-size", str(SIZE), *stages),
            *("--engine-every", "100"),
            *("--flaky", "0", "--skewed", "0", "--fresh", "0.02", "--out", page, "--json"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), page.read_text(encoding="utf-8")


def arrived(report, hours):
    """Return how many phones run the newest build after this many hours."""
    point = report["curve"][hours * PER_HOUR - 1]
    assert point["hours"] == hours
    return round(point["arrived"] * PHONES)


def test_no_failures(day):
    """Every answer was verified, every package had its hash, and every admitted phone updated."""
    report, _ = day
    assert report["failures"] == {}
    assert report["server_failures"] == report["outside_the_grammar"] == 0
    assert report["begun_newest"] == 0
    assert report["offers"] == report["fetched"] == report["switched"] == report["arrived"]


@pytest.mark.parametrize(
    ("hours", "least", "most"),
    [
        # A phone that has been polling for long polls within t <= 4 h with probability t / 6 h,
        # because the mean interval is 6 h. Between 4 h and 8 h the probability is 1 - (8 h - t)^2 /
        # (48 h^2). n = 2000, bounds at 4.5 standard deviations of Binomial(n, admitted share *
        # that).
        (4, 83, 184),  # 0.1 * 2/3: mean 133.3, sigma 11.2
        (8, 140, 260),  # 0.1: mean 200, sigma 13.4; seconds later half of all are admitted
        (12, 629, 838),  # 0.1 + 0.4 * 2/3: mean 733.3, sigma 21.6; 4.5 sigma are 97.0
        (16, 899, 1101),  # 0.5: mean 1000, sigma 22.4
        (20, 1582, 1752),  # 0.5 + 0.5 * 2/3: mean 1666.7, sigma 16.7; 4.5 sigma are 75.0
        (24, 1990, 2000),  # 1, except for the few seconds and the last poll: 0.9987, sigma 1.6
    ],
)
def test_adoption_follows_schedule(day, hours, least, most):
    """The build runs on the phones that were admitted and have polled since."""
    assert least <= arrived(day[0], hours) <= most


def test_adoption_stays_below_share(day):
    """The curve stays below the admitted share plus 4.5 standard deviations, and never falls."""
    points = day[0]["curve"]
    for before, after in pairwise(points):
        assert after["arrived"] >= before["arrived"]
    for point in points:
        sigma = (point["reached"] * (1 - point["reached"]) / PHONES) ** 0.5
        assert point["arrived"] <= point["reached"] + 4.5 * sigma
    assert [points[hours * PER_HOUR - 2]["reached"] for hours in (8, 16, 24)] == [0.1, 0.5, 1.0]


def test_requests_match_grammar(day):
    """The requests are exactly those that docs/PRIVACY.md allows these phones to send.

    The server published three times: its models, the previous build, and the rollout.
    """
    polled = {
        *("/metadata/2.root.json", "/metadata/timestamp.json", "/metadata/3.snapshot.json"),
        *("/metadata/3.latest.json", "/log/proof/latest.3"),
    }
    first = {f"/metadata/1.{role}.json" for role in ("targets", "tables", "content")}
    first |= {f"/log/proof/{role}.1" for role in ("tables", "content")}
    shown = {f"/metadata/1.{model}.json" for model in MODELS}
    shown |= {f"/log/proof/{model}.1" for model in MODELS}
    seen = {each["request"]: each["phones"] for each in day[0]["requests_seen"]}
    packages = {request for request in seen if request.startswith("GET /targets/")}
    assert seen.keys() - packages == {f"GET {path}" for path in polled | first | shown}
    found = [_PACKAGE.fullmatch(request).groups() for request in packages]
    places = [(model, region) for model, region, _, _ in found]
    assert sorted(places) == sorted(product(MODELS, REGIONS))
    # All regions of a model share one package.
    assert len({(model, sha256) for model, _, sha256, _ in found}) == len(MODELS)
    assert all(SIZE - 8192 < int(last) < SIZE for *_, last in found)
    # Every phone sends a poll's requests. Only new phones send those of a first poll.
    assert {seen[f"GET {path}"] for path in polled} == {PHONES}
    new = {seen[f"GET {path}"] for path in first}
    assert len(new) == 1
    assert 12 <= new.pop() <= 68  # Binomial(2000, 0.02): mean 40, 4.5 sigma are 28.2


def test_engine_repeats_some_installs(day):
    """One in a hundred of each of the two workers' phones really applies its package."""
    report, page = day
    assert report["engine_every"] == 100
    assert report["engine_refusals"] == []
    assert report["engine_installs"] == report["engine_phones"] > 1
    # A busy machine omits some.
    turns = report["engine_phones"] + report["engine_left_out"]
    assert turns in {len(range(0, report["switched"], 100)), report["switched"] // 100 + 2}
    assert report["engine_share"] == report["engine_installs"] / report["switched"]
    assert f"{report['engine_installs']} of {report['engine_phones']} twins fetched" in page


def test_connections_per_poll(day):
    """Poll, download and check before the switch: one connection each, as in FORMATS section 9."""
    report, _ = day
    assert report["connections"] == report["polls"] + report["switched"]
    assert not report["kept_connections"]


def test_page_is_self_contained(day):
    """The page has no script, no address except the requests that were sent, and all six plots."""
    _, page = day
    assert not re.search(r"<script|<link|<img|https?://|url\(", page)
    assert page.count("<svg") == page.count("</svg>") == 6
    assert "2,000 phones, 24 hours" in page

"""The benchmarks run with little work; their results are not checked here."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("module", "options", "said"),
    [
        ("sign_many", ("--models", "3", "--releases", "2"), "times the peer"),
        ("ota_inspect", ("--size", "4", "--operations", "99"), "99 operations"),
        (
            "publish",
            ("--models", "3", "--releases", "2", "--entries", "300", "--rounds", "2"),
            "times the peer",
        ),
        (
            "publish_api",
            ("--models", "3", "--releases", "2", "--entries", "300", "--rounds", "2"),
            "a halt",
        ),
        ("export", ("--models", "3", "--releases", "2", "--entries", "300"), "one release later"),
        pytest.param(
            "site",
            ("--models", "3", "--releases", "2", "--entries", "300", "--publications", "2"),
            "until all nodes serve it",
            marks=pytest.mark.needs("seaweed"),
        ),
        (
            "fleet",
            ("--seconds", "0.5", "--phones", "20000", "--devices", "500", "--hours", "1"),
            "phone-days",
        ),
        (
            "cloud",
            (
                *("--files", "3", "--size", "100000", "--uploads", "2"),
                *("--connections", "20", "--rounds", "1"),
            ),
            "parallel uploads",
        ),
        (
            "capacity",
            (
                *("--rounds", "1", "--seconds", "0.3", "--scale", "0.002", "--wake", "1"),
                *("--rates", "20", "--beside", "1", "--devices", "200"),
            ),
            "a million phones a minute",
        ),
        ("device", ("curl", "--rounds", "1", "--seconds", "0.1", "--package", "1"), "curl's polls"),
    ],
)
def test_a_benchmark_runs(module, options, said):
    """It exits with 0 and prints its comparison."""
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{module}", *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert said in done.stdout

"""The benchmarks run with small loads; their results are not checked here.

They and most of the programs that they start are forked (`tests/forked.py`).
"""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("module", "options", "said"),
    [
        ("sign_many", ("--models", "2", "--releases", "1"), "times the peer"),
        ("ota_inspect", ("--size", "4", "--operations", "99"), "99 operations"),
        (
            "publish",
            ("--models", "2", "--releases", "1", "--entries", "99", "--rounds", "1"),
            "times the peer",
        ),
        (
            "publish_api",
            ("--models", "2", "--releases", "1", "--entries", "99", "--rounds", "1"),
            "a halt",
        ),
        ("export", ("--models", "2", "--releases", "1", "--entries", "99"), "one release later"),
        pytest.param(
            "site",
            (
                *("--models", "2", "--releases", "1", "--entries", "99", "--publications", "1"),
                "--without-loss",
            ),
            "until all nodes serve it",
            marks=pytest.mark.needs("seaweed"),
        ),
        (
            "fleet",
            ("--seconds", "0.1", "--phones", "2000", "--devices", "500", "--hours", "1"),
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
                *("--rates", "20", "--beside", "0", "--devices", "200"),
            ),
            "a million phones a minute",
        ),
        ("device", ("curl", "--rounds", "1", "--seconds", "0.1", "--package", "1"), "curl's polls"),
    ],
)
def test_benchmark_runs(programs, module, options, said):
    """The benchmark exits with 0 and prints its comparison."""
    done = subprocess.run(
        [*programs.command("python"), "-m", f"benchmarks.{module}", *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert said in done.stdout

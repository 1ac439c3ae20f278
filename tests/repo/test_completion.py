"""Completion of commands and options by a real bash."""

import os
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import pytest

BIN = Path(sys.executable).parent
PROGRAMS = sorted(
    point.name for point in distribution("hening").entry_points.select(group="console_scripts")
)
# Bash's steps when Tab is pressed: it calls the function declared for the program, with its name,
# and takes the words from COMPREPLY.
TAB = r"""
eval "$(env "_$(tr a-z- A-Z_ <<< "$1")_COMPLETE=bash_source" "$1")"
read -ra declared <<< "$(complete -p "$1")"
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
"${declared[-2]}" "$1"
printf '%s\n' "${COMPREPLY[@]}"
"""


def press_tab(*words):
    """Return bash's completions for the last of `words`."""
    done = subprocess.run(
        ["bash", "--norc", "-c", TAB, "bash", *words],
        env={**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert not done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        *(((program, "--ver"), "--version") for program in PROGRAMS),
        (("hening-server", "rollout", "of"), "offer"),
        (("hening-server", "run", "--gate", "e"), "edge"),
    ],
)
def test_completion(words, offered):
    """Options, lazily imported commands, and values of their options are completed."""
    assert press_tab(*words) == [offered]

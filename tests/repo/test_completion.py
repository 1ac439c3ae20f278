"""Completion of commands and options by a real bash."""

import os
import subprocess

import pytest

from tests.programs import PROGRAMS

# Bash's steps when Tab is pressed: it calls the function declared for the program, with its name,
# and takes the words from COMPREPLY.
TAB = r"""
eval "$(env "_$(tr a-z- A-Z_ <<< "$1")_COMPLETE=bash_source" "$1")"
read -ra declared <<< "$(complete -p "$1")"
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
"${declared[-2]}" "$1"
printf '%s\n' "${COMPREPLY[@]}"
"""


def press_tab(programs, *words):
    """Return bash's completions for the last of `words`."""
    done = subprocess.run(
        ["bash", "--norc", "-c", TAB, "bash", *words],
        env={**os.environ, "PATH": f"{programs.path}:{os.environ['PATH']}"},
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
def test_completion(programs, words, offered):
    """Options, lazily imported commands, and values of their options are completed."""
    assert press_tab(programs, *words) == [offered]

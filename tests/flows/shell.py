"""Run the commands of a page in a shell."""

import re
import subprocess


def read_console(text):
    """Return the lines of the console blocks in a text."""
    blocks = re.findall(r"```console\n(.*?)```", text, re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


def run_script(script, folder, environment, options="-c"):
    """Run a script in a folder, which must exit with 0; returns its output."""
    done = subprocess.run(
        ["bash", *options.split(), script],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout

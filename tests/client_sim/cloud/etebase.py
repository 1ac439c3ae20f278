"""The npm client of the Etebase protocol, as another device of an owner."""

import json
import subprocess
from contextlib import contextmanager
from pathlib import Path

from tests.client_sim.cloud.phones import PASSWORD

FOLDER = Path(__file__).parents[2] / "etebase"


class Foreign:
    """Sends commands to a running client."""

    def __init__(self, process):
        self._process = process

    def __call__(self, command, *values):
        """Send a command and return its answer."""
        self._process.stdin.write(json.dumps([command, *values]) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, f"the client ended at {command} {values}"
        return json.loads(line)


@contextmanager
def foreign_client(served, name):
    """Run the client, logged in as `name`, until the block ends."""
    words = ["node", "client.cjs", served.url, name, PASSWORD]
    with subprocess.Popen(
        words, cwd=FOLDER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield Foreign(process)
        process.stdin.close()

"""A program collects garbage rarely, and not at its end."""

import subprocess
import sys

SCRIPT = """
import gc
from hening.lazy_command import collect_rarely

class Cycle:
    def __init__(self):
        self.me = self

    def __del__(self):
        print("collected")

collect_rarely()
Cycle()
gc.collect()
cycle = Cycle()
del cycle
print("the end")
"""


def test_no_garbage_collection_at_the_end():
    """A cycle is freed by a collection, but not at the end of the program."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True
    )
    assert done.stdout.split("\n") == ["collected", "the end", ""]

"""A cache of the fixtures' packages: each is built once in a test run.

Building all of them takes five seconds of processor time, and many how-to pages begin with it.
"""

import os

from fixtures.build import build_zip
from fixtures.catalogue import Package


def keeping(folder):
    """Return a `build_zip` that reads packages from a folder and builds missing ones there."""

    def build_or_read(target, source=None):
        file = folder / Package(target, source).file_name
        if not file.exists():
            folder.mkdir(exist_ok=True)
            new = file.with_suffix(f".{os.getpid()}")  # other processes may build it as well
            new.write_bytes(build_zip(target, source))
            new.replace(file)
        return file.read_bytes()

    return build_or_read

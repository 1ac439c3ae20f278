"""The packages of the fixtures, of which each is built once in a run of the tests.

Building all of them takes five seconds of processor time, and pages begin with it.
"""

import os

from fixtures.build import build_zip
from fixtures.catalogue import Package


def keeping(folder):
    """Return a `build_zip` that takes packages from a folder, and adds those that it lacks."""

    def build_or_read(target, source=None):
        file = folder / Package(target, source).file_name
        if not file.exists():
            folder.mkdir(exist_ok=True)
            new = file.with_suffix(f".{os.getpid()}")  # other processes may build it as well
            new.write_bytes(build_zip(target, source))
            new.replace(file)
        return file.read_bytes()

    return build_or_read

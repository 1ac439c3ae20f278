"""The folder in which a package is proved, so that an interrupted proof goes on.

request.json    what is proved; another request empties the folder
phone/          the slots of the throw-away phone
streamed        there once the package was installed as a stream
over/           what is being removed
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from client_sim.device.errors import StateError
from client_sim.device.lock import hold_folder
from client_sim.device.vault import replace_file
from client_sim.engine.slots import Slots

_REQUEST: Final = "request.json"
# What a crash leaves of the first request.
_LEFT: Final = {f".{_REQUEST}.new"}


class ProofFolder:
    """The folder `directory` of one proof."""

    def __init__(self, directory: Path) -> None:
        self.slots = Slots(directory / "phone")
        self._streamed = directory / "streamed"

    @property
    def is_streamed(self) -> bool:
        """Whether the package was installed as a stream already."""
        return self._streamed.exists()

    def note_streamed(self) -> None:
        """Note durably that the package was installed as a stream."""
        replace_file(self._streamed, b"")


@contextmanager
def opened_proof(directory: Path, request: bytes) -> Iterator[ProofFolder]:
    """Open the folder of the proof of `request`; it is removed when the block ends without error.

    Raises StateError if another process works in it, or if it is a folder of something else.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with hold_folder(directory, waits=False) as is_held:
        if not is_held:
            raise StateError(f"{directory} is in use by another proof; wait until it has ended.")
        _begin(directory, request)
        yield ProofFolder(directory)
        shutil.rmtree(directory)


def _begin(directory: Path, request: bytes) -> None:
    path, phone, over = (directory / name for name in (_REQUEST, "phone", "over"))
    if not path.exists() and any(each.name not in _LEFT for each in directory.iterdir()):
        raise StateError(f"{directory} is in the way: no proof made it; remove or rename it.")
    if over.exists():
        shutil.rmtree(over)
    if path.exists() and path.read_bytes() != request:
        # First what says how far it came; the phone goes in one step, so that no part of it stays.
        (directory / "streamed").unlink(missing_ok=True)
        if phone.exists():
            phone.rename(over)
            shutil.rmtree(over)
    replace_file(path, request)

import hashlib
import io

import pytest

from signer.ota import hashing
from signer.ota.errors import ContainerError
from signer.ota.hashing import Run, Track, hash_runs

DATA = bytes(range(256)) * 16


def _sha256(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


@pytest.mark.parametrize("chunk", [1, 7, 100, 4096, 1 << 20])
def test_hash_runs(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each key gets the hash of its runs, whatever the size of a read."""
    monkeypatch.setattr(hashing, "_CHUNK", chunk)
    tracks = [
        Track([Run(0, 3000, "all", mark="first"), Run(3000, len(DATA), "all")]),
        Track([Run(10, 20, "two"), Run(30, 400, "two")]),
        Track([Run(5, 6, 0), Run(6, 6, 1), Run(6, 300, 2), Run(300, 4096, 3)]),
        Track([Run(8, 800, "sha1")], lambda _: hashlib.sha1(), 0.3),
    ]
    digests = hash_runs(io.BytesIO(DATA), len(DATA), tracks)
    assert digests == {
        "first": _sha256(DATA[:3000]),
        "all": _sha256(DATA),
        "two": _sha256(DATA[10:20], DATA[30:400]),
        0: _sha256(DATA[5:6]),
        1: _sha256(b""),
        2: _sha256(DATA[6:300]),
        3: _sha256(DATA[300:]),
        "sha1": hashlib.sha1(DATA[8:800]).digest(),
    }


def test_progress(monkeypatch) -> None:
    """After each read it gives the bytes read and the total."""
    monkeypatch.setattr(hashing, "_CHUNK", 1500)
    seen: list[tuple[int, int]] = []
    hash_runs(io.BytesIO(DATA), 4096, [], progress=lambda *step: seen.append(step))
    assert seen == [(1500, 4096), (3000, 4096), (4096, 4096)]


def test_truncated_file() -> None:
    """A file that becomes shorter while it is read is refused."""
    with pytest.raises(ContainerError, match="became shorter while it was read"):
        hash_runs(io.BytesIO(b"quiet"), 100, [Track([Run(0, 100, "all")])])

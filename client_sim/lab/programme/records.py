"""Results of batteries that take their own time, kept in files and shown in a report."""

from pathlib import Path
from typing import TypeVar

import msgspec

from client_sim.lab.errors import LabError
from client_sim.lab.programme.result import MutationScore, WallClockRow

_KIND = TypeVar("_KIND")


def encode_clock(rows: tuple[WallClockRow, ...]) -> bytes:
    """Encode the rows of a battery on real clocks as JSON, a line each."""
    lines = (msgspec.json.encode(row) for row in rows)
    return b"[\n" + b",\n".join(lines) + b"\n]\n"


def load_clock(path: Path) -> tuple[WallClockRow, ...]:
    """Read what `encode_clock` made; raise LabError for anything else."""
    return _load(path, tuple[WallClockRow, ...], "lab clock")


def load_mutation(path: Path) -> MutationScore:
    """Read the `score` of what `make mutation` wrote; raise LabError for anything else."""
    return _load(path, _Mutation, "make mutation").score


class _Mutation(msgspec.Struct):
    score: MutationScore


def _load(path: Path, kind: type[_KIND], maker: str) -> _KIND:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except msgspec.DecodeError as error:
        raise LabError(f"{path} is not what {maker} writes ({error}): run it again") from error

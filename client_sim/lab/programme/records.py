"""Results of batteries that take their own time, kept in files and shown in a report."""

from pathlib import Path
from typing import Final, TypeVar

import msgspec

from client_sim.lab.errors import LabError
from client_sim.lab.programme.result import MutationScore, WallClockRow

_KIND = TypeVar("_KIND")
_MUTATION: Final = Path(__file__).parents[1] / "oracles" / "mutation.json"


def encode_clock(rows: tuple[WallClockRow, ...]) -> bytes:
    """Encode the rows of a battery on real clocks as JSON, a line each."""
    lines = (msgspec.json.encode(row) for row in rows)
    return b"[\n" + b",\n".join(lines) + b"\n]\n"


def load_clock(path: Path) -> tuple[WallClockRow, ...]:
    """Read what `encode_clock` made; raise LabError for anything else."""
    return _load(path, tuple[WallClockRow, ...], "lab clock")


def load_mutation(path: Path = _MUTATION) -> MutationScore:
    """Read what `make mutation` wrote, of all judges together; raise LabError for anything else.

    The last result is a part of this package.
    """
    modules = _load(path, _Mutation, "make mutation").modules
    return MutationScore(
        killed=sum(module.killed for module in modules),
        survived=sum(module.survived for module in modules),
        argued=sum(module.argued for module in modules),
    )


class _Module(msgspec.Struct):
    killed: int
    survived: int
    argued: int


class _Mutation(msgspec.Struct):
    modules: tuple[_Module, ...]


def _load(path: Path, kind: type[_KIND], maker: str) -> _KIND:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except msgspec.DecodeError as error:
        raise LabError(f"{path} is not what {maker} writes ({error}): run it again") from error

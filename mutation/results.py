"""What became of every mutant, read from what mutmut leaves behind."""

import ast
import difflib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mutation.workshop import JUDGES

SURVIVED, UNTESTED = 0, 33
"""Exit statuses that mutmut notes; others are those of tests that failed, or never ended."""


@dataclass(frozen=True, slots=True)
class Survivor:
    """A mutant that no test noticed: the lines that it takes out and puts in."""

    module: str
    function: str
    removed: str
    added: str


@dataclass(frozen=True, slots=True)
class Module:
    """How the mutants of one module ended; `unknown` are those that were not tried."""

    name: str
    killed: int
    survivors: tuple[Survivor, ...]
    unknown: int


def read_results(shop: Path) -> Iterator[Module]:
    """Read the results of every mutated module, in order of names."""
    for path in sorted((shop / "mutants" / JUDGES).glob("*.py.meta")):
        module = path.name.removesuffix(".py.meta")
        statuses = json.loads(path.read_text(encoding="utf-8"))["exit_code_by_key"]
        if statuses:
            yield _read(module, statuses, path.with_suffix(""))


def _read(module: str, statuses: dict[str, int | None], mutated: Path) -> Module:
    source = mutated.read_text(encoding="utf-8")
    functions = {
        node.name: ast.get_source_segment(source, node) or ""
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef)
    }
    survivors = [
        _survivor(module, key.rpartition(".")[2], functions)
        for key, status in statuses.items()
        if status in {SURVIVED, UNTESTED}
    ]
    # Also what ran for so long that it was ended: an endless test is noticed.
    killed = sum(status not in {None, SURVIVED, UNTESTED} for status in statuses.values())
    return Module(module, killed, tuple(survivors), len(statuses) - killed - len(survivors))


def _survivor(module: str, name: str, functions: dict[str, str]) -> Survivor:
    function, _, _ = name.rpartition("__mutmut_")
    before, after = (
        [line.strip() for line in functions[each].splitlines()[1:]]
        for each in (f"{function}__mutmut_orig", name)
    )
    changes = [line for line in difflib.ndiff(before, after) if line[:2] in {"- ", "+ "}]
    return Survivor(
        module,
        function.removeprefix("x_").removeprefix("xǁ").replace("ǁ", "."),
        " ".join(line[2:] for line in changes if line[0] == "-"),
        " ".join(line[2:] for line in changes if line[0] == "+"),
    )

"""Reads the results of all mutants from mutmut's files."""

import ast
import difflib
import json
from dataclasses import dataclass
from pathlib import Path

from mutation.workshop import JUDGES

KILLED = {1, 3}
SURVIVED = {0, 33}
"""Exit statuses that mutmut records: pytest's own, and 33 if no test runs the mutant."""


@dataclass(frozen=True, slots=True)
class Survivor:
    """A mutant that no test detected: the lines that it removes and adds."""

    module: str
    function: str
    removed: str
    added: str


@dataclass(frozen=True, slots=True)
class Module:
    """The results of one module's mutants; `unknown` counts those whose tests gave no result."""

    name: str
    digest: str
    killed: int
    survivors: tuple[Survivor, ...]
    unknown: int


def read_results(shop: Path, module: str, digest: str) -> Module:
    """Read the results of one module from its working folder `shop`."""
    mutated = shop / "mutants" / JUDGES / f"{module}.py"
    found = json.loads(mutated.with_suffix(".py.meta").read_text(encoding="utf-8"))
    statuses: dict[str, int | None] = found["exit_code_by_key"]
    source = mutated.read_text(encoding="utf-8")
    functions = {
        node.name: ast.get_source_segment(source, node) or ""
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef)
    }
    survivors = [
        _survivor(module, key.rpartition(".")[2], functions)
        for key, status in statuses.items()
        if status in SURVIVED
    ]
    killed = sum(status in KILLED for status in statuses.values())
    unknown = len(statuses) - killed - len(survivors)
    return Module(module, digest, killed, tuple(survivors), unknown)


def _survivor(module: str, name: str, functions: dict[str, str]) -> Survivor:
    function, _, _ = name.rpartition("__mutmut_")
    before, after = (
        [line.strip() for line in functions[each].replace(each, function).splitlines()]
        for each in (f"{function}__mutmut_orig", name)
    )
    changes = [line for line in difflib.ndiff(before, after) if line[:2] in {"- ", "+ "}]
    return Survivor(
        module,
        function.removeprefix("x_").removeprefix("xǁ").replace("ǁ", "."),
        " ".join(line[2:] for line in changes if line[0] == "-"),
        " ".join(line[2:] for line in changes if line[0] == "+"),
    )

"""`make mutation`: makes small changes to the lab's judges and runs their tests on each.

Without names, it mutates the judges whose code or tests changed since their last mutation, and
keeps the results of the others. It writes the results after each judge, so an interrupted run can
be resumed. For each surviving mutant, `mutation/argued.json` must have the reason why it changes no
verdict. The exit status is 1 if a reason is missing, the tests of a mutant gave no result, a judge
changed since its mutation or was not mutated, or fewer than 90 % of the mutants are killed.
"""

import argparse
import json
import sys
from pathlib import Path

from rich.console import Console

from mutation.record import argue, load_record, write_record
from mutation.results import Module, read_results
from mutation.workshop import JUDGES, digest, list_judges, mutate

REPOSITORY = Path(__file__).parents[1]
RECORD = REPOSITORY / JUDGES / "mutation.json"
PAGE = REPOSITORY / "docs" / "reference" / "mutation.md"
ENOUGH = 0.9


def main() -> int:
    """Mutate, write both result files, print a summary, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m mutation")
    parser.add_argument("judges", nargs="*", help="modules to mutate; default: those that changed")
    parser.add_argument("--packages", type=Path, default=REPOSITORY / ".venv-mutation")
    parser.add_argument("--workers", type=int, default=2, help="mutants at the same time")
    arguments = parser.parse_args()
    console = Console()
    known = {n: m for n, m in load_record(RECORD).items() if n in list_judges(REPOSITORY)}
    for judge in arguments.judges or _changed(known):
        shop = REPOSITORY / "var" / "mutation" / judge
        console.print(f"{judge}; progress is in {shop / 'log'}", soft_wrap=True)
        tried = digest(REPOSITORY, judge)
        mutate(REPOSITORY, shop, arguments.packages.resolve(), judge, arguments.workers)
        try:
            known[judge] = read_results(shop, judge, tried)
        except FileNotFoundError:
            console.print(f"{judge} was not mutated: {shop / 'log'} says why", soft_wrap=True)
            return 1
        _write(known)
    score, reasons = _write(known)
    reasons += [f"{name} changed since it was mutated" for name in _changed(known)]
    for each in reasons:
        console.print(each, markup=False, soft_wrap=True)
    console.print(f"{score:.1%} killed, {len(reasons)} open")
    return 0 if score >= ENOUGH and not reasons else 1


def _changed(known: dict[str, Module]) -> list[str]:
    """List the judges without a result for their present code and tests."""
    return [
        name
        for name in list_judges(REPOSITORY)
        if name not in known or known[name].digest != digest(REPOSITORY, name)
    ]


def _write(known: dict[str, Module]) -> tuple[float, list[str]]:
    """Write both result files; return the score, and a line for each open problem."""
    modules = [known[name] for name in sorted(known)]
    argued = json.loads((Path(__file__).parent / "argued.json").read_text(encoding="utf-8"))
    why = argue(modules, argued)
    write_record(RECORD, PAGE, modules, why)
    killed = sum(module.killed for module in modules)
    score = killed / max(1, killed + sum(len(module.survivors) for module in modules))
    is_open = [
        f"{each.module}.{each.function}: {each.removed}\n  → {each.added}"
        for each, reason in why.items()
        if reason is None
    ]
    is_open += [f"{m.name}: the tests said nothing of {m.unknown}" for m in modules if m.unknown]
    return score, is_open


if __name__ == "__main__":
    sys.exit(main())

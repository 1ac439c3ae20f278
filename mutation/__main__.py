"""`make mutation`: change the judges of the lab in every small way, and see which test notices.

Without names, the judges are mutated whose code or tests changed since they were last; what is
known of the others is kept, and written anew after each, so that a run that was stopped goes on
where it was. A mutant that survives must be argued in `mutation/argued.json`: why the change
changes nothing that matters. Exit status 1 where one is not, where the tests said nothing of one,
or where fewer than 90 % are killed.
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
    """Mutate, write both result files, and say how it went."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m mutation")
    parser.add_argument("judges", nargs="*", help="those that changed where none is named")
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
    """List the judges that are not known as they are now."""
    return [
        name
        for name in list_judges(REPOSITORY)
        if name not in known or known[name].digest != digest(REPOSITORY, name)
    ]


def _write(known: dict[str, Module]) -> tuple[float, list[str]]:
    """Write both files; give the score, and a line for all that is open."""
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

"""`make mutation`: change the judges of the lab in every small way, and see which test notices.

A mutant that survives must be argued in `mutation/argued.json`: why the change changes nothing that
matters. Exit status 1 where one is not, or where fewer than 90 % are killed; 3 where time was up.
"""

import argparse
import json
import sys
from pathlib import Path
from time import monotonic
from typing import Any

from rich.console import Console

from mutation.results import Module, Survivor, read_results
from mutation.workshop import JUDGES, mutate, prepare

REPOSITORY = Path(__file__).parents[1]
GROUPS = (
    ("equality", "grammar", "order", "timing", "silence"),
    ("cardinality", "budget", "stationarity", "server_state", "egress"),
    ("places", "parts", "fields", "trust_state"),
    ("chance", "concentration", "distribution", "populations"),
)
"""What matters most comes first, should time be up."""
MODULES = tuple(module for group in GROUPS for module in group)
ENOUGH = 0.9
PAGE = """\
# Mutation of the lab's judges

Made by `make mutation`: every judge is changed in every small way that mutmut knows, one change at
a time, and the judges' own tests are run. A change that no test notices survives, and is either a
hole or changes nothing that matters; which, is argued below. A change under which a
test never ends is killed, too; *unknown* are those that were not tried when the time was up. The
canary search and what judges whole runs are left out, as their tests are slow.

"""


def main() -> int:
    """Mutate, write both result files, and say how it went."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m mutation")
    parser.add_argument("--minutes", type=float, default=120.0, help="end after so long")
    parser.add_argument("--packages", type=Path, default=REPOSITORY / ".venv-mutation")
    parser.add_argument("--results-only", action="store_true", help="read the last run again")
    arguments = parser.parse_args()
    console = Console()
    shop = REPOSITORY / "var" / "mutation"
    ended = True
    if not arguments.results_only:
        prepare(REPOSITORY, shop, list(MODULES))
        end = monotonic() + 60 * arguments.minutes
        for group in GROUPS:
            with console.status(f"{', '.join(group)}; progress is in {shop / 'log'}"):
                ended &= mutate(shop, arguments.packages, list(group), end - monotonic())
    argued = json.loads((Path(__file__).parent / "argued.json").read_text(encoding="utf-8"))
    modules = sorted(read_results(shop), key=lambda module: MODULES.index(module.name))
    why = {survivor: _find(survivor, argued) for m in modules for survivor in m.survivors}
    _write(modules, why)
    killed, survived = sum(m.killed for m in modules), len(why)
    score = killed / max(1, killed + survived)
    open_ones = [survivor for survivor, reason in why.items() if reason is None]
    for survivor in open_ones:
        console.print(f"{survivor.module}.{survivor.function}: {survivor.removed}", markup=False)
        console.print(f"  → {survivor.added}", markup=False)
    console.print(f"{killed} of {killed + survived} killed ({score:.1%}), {len(open_ones)} open")
    if not ended:
        return 3
    return 0 if score >= ENOUGH and not open_ones else 1


def _find(survivor: Survivor, argued: list[dict[str, str]]) -> str | None:
    """Give the reason of the first argument that fits: words that stand in the lines changed."""
    for each in argued:
        if each.get("module", survivor.module) != survivor.module:
            continue
        if each["removed"] in survivor.removed and each["added"] in survivor.added:
            return each["why"]
    return None


def _write(modules: list[Module], why: dict[Survivor, str | None]) -> None:
    rows: list[dict[str, Any]] = [
        {
            "module": module.name,
            "killed": module.killed,
            "survived": len(module.survivors),
            "argued": sum(why[survivor] is not None for survivor in module.survivors),
            "unknown": module.unknown,
        }
        for module in modules
    ]
    survivors = [
        {
            "module": survivor.module,
            "function": survivor.function,
            "removed": survivor.removed,
            "added": survivor.added,
            "why": reason,
        }
        for survivor, reason in why.items()
    ]
    record = {"tool": "mutmut", "modules": rows, "survivors": survivors}
    text = json.dumps(record, ensure_ascii=False, indent=1) + "\n"
    (REPOSITORY / JUDGES / "mutation.json").write_text(text, encoding="utf-8")
    lines = ["| module | killed | survived | of them argued | unknown | score |"]
    lines.append("| --- | --- | --- | --- | --- | --- |")
    for row in rows:
        share = row["killed"] / max(1, row["killed"] + row["survived"])
        lines.append("| " + " | ".join([*map(str, row.values()), f"{share:.1%}"]) + " |")
    lines += ["", "## What survived", ""]
    for survivor, reason in why.items():
        lines.append(f"- `{survivor.module}.{survivor.function}`: {reason or 'open'}")
        lines.append(f"  `{survivor.removed}` → `{survivor.added}`")
    page = PAGE + "\n".join(lines) + "\n"
    (REPOSITORY / "docs" / "MUTATION.md").write_text(page, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())

"""The record of the last run: a file that the lab reads, and a page of the manual."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mutation.results import Module, Survivor

PAGE = """\
# Mutation of the lab's judges

`make mutation` makes this page. mutmut makes every small change that it knows to every judge, one
at a time, and runs the tests that import the judge. A change that no test notices survives. It is
either a gap in the tests or changes no verdict; the list below gives the reason. A change also
counts as noticed if it makes a test use five seconds of processor time. *unknown* counts changes
whose tests gave no result. mutmut changes only undecorated functions: constants, patterns and
tables are guarded only by tests. A module without a function is not in the table.

"""


def load_record(path: Path) -> dict[str, Module]:
    """Read the record by the modules' names; return an empty dict if there is none."""
    if not path.is_file():
        return {}
    record = json.loads(path.read_text(encoding="utf-8"))
    return {
        row["module"]: Module(
            row["module"],
            row["digest"],
            row["killed"],
            tuple(
                Survivor(each["module"], each["function"], each["removed"], each["added"])
                for each in record["survivors"]
                if each["module"] == row["module"]
            ),
            row["unknown"],
        )
        for row in record["modules"]
    }


def argue(modules: Iterable[Module], argued: list[dict[str, str]]) -> dict[Survivor, str | None]:
    """Map each survivor to the reason of the first argument that matches it, or None.

    An argument matches if the removed lines contain its `removed`, the added lines contain its
    `added`, and `module` and `function` are equal, if it has them.
    """
    return {survivor: _find(survivor, argued) for m in modules for survivor in m.survivors}


def _find(survivor: Survivor, argued: list[dict[str, str]]) -> str | None:
    for each in argued:
        if each.get("module", survivor.module) != survivor.module:
            continue
        if each.get("function", survivor.function) != survivor.function:
            continue
        if each["removed"] in survivor.removed and each["added"] in survivor.added:
            return each["why"]
    return None


def write_record(
    record: Path, page: Path, modules: list[Module], why: Mapping[Survivor, str | None]
) -> None:
    """Write the record, and the page with a table and the survivors."""
    rows: list[dict[str, Any]] = [
        {
            "module": module.name,
            "killed": module.killed,
            "survived": len(module.survivors),
            "argued": sum(why[survivor] is not None for survivor in module.survivors),
            "unknown": module.unknown,
            "digest": module.digest,
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
    found = {"tool": "mutmut", "modules": rows, "survivors": survivors}
    record.write_text(json.dumps(found, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    lines = ["| module | killed | survived | with a reason | unknown | score |"]
    lines.append("| --- | --- | --- | --- | --- | --- |")
    for row in rows:
        if not row["killed"] + row["survived"] + row["unknown"]:
            continue
        share = row["killed"] / max(1, row["killed"] + row["survived"])
        told = [str(row[name]) for name in ("module", "killed", "survived", "argued", "unknown")]
        lines.append("| " + " | ".join([*told, f"{share:.1%}"]) + " |")
    lines += ["", "## Surviving changes", ""]
    for survivor, reason in why.items():
        lines.append(f"- `{survivor.module}.{survivor.function}`: {reason or 'open'}")
        lines.append(f"  `{survivor.removed}` → `{survivor.added}`")
    page.write_text(PAGE + "\n".join(lines) + "\n", encoding="utf-8")

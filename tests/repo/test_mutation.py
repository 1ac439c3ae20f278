"""The committed record of `make mutation` covers every judge and has no open survivor."""

import json

from mutation.__main__ import ENOUGH, PAGE, RECORD, REPOSITORY
from mutation.record import argue, load_record, write_record
from mutation.results import Module, Survivor
from mutation.workshop import digest, find_tests, list_judges

ARGUED = json.loads((REPOSITORY / "mutation" / "argued.json").read_text(encoding="utf-8"))


def test_every_survivor_has_an_argument():
    """Every judge has a record, and every survivor has an argument."""
    known = load_record(RECORD)
    assert sorted(known) == list_judges(REPOSITORY)
    assert all(module.unknown == 0 for module in known.values())
    why = argue(known.values(), ARGUED)
    assert None not in why.values()
    killed = sum(module.killed for module in known.values())
    assert killed / (killed + len(why)) >= ENOUGH


def test_record_and_page_are_unedited(tmp_path):
    """Reading and writing them again changes nothing: they were not edited."""
    known = load_record(RECORD)
    write_record(
        tmp_path / "record", tmp_path / "page", list(known.values()), argue(known.values(), ARGUED)
    )
    assert (tmp_path / "record").read_text(encoding="utf-8") == RECORD.read_text(encoding="utf-8")
    assert (tmp_path / "page").read_text(encoding="utf-8") == PAGE.read_text(encoding="utf-8")


def test_lines_in_arguments_exist():
    """The lines are in its module and its function, if it names them."""
    one, other = (Survivor(name, "f", "a < b", "a <= b") for name in ("chance", "timing"))
    modules = [Module(s.module, "", 1, (s,), 0) for s in (one, other)]
    argued = [
        {"module": "chance", "removed": "a >", "added": "", "why": "wrong lines"},
        {"module": "chance", "function": "g", "removed": "a <", "added": "", "why": "elsewhere"},
        {"module": "chance", "function": "f", "removed": "a <", "added": "<=", "why": "the same"},
    ]
    assert argue(modules, argued) == {one: "the same", other: None}


def test_changed_code_or_tests_are_mutated_again(tmp_path):
    """Its tests are those that import it by name. Docstrings and comments are not its code."""
    judges = tmp_path / "client_sim" / "lab" / "oracles"
    tests = tmp_path / "tests" / "client_sim" / "lab" / "oracles"
    judges.mkdir(parents=True)
    tests.mkdir(parents=True)
    for name in ("__init__", "odd", "odder"):
        (judges / f"{name}.py").write_text("", encoding="utf-8")
    (tests / "test_odder.py").write_text("from client_sim.lab.oracles.odder import x\n", "utf-8")
    (tests / "test_odd.py").write_text("from client_sim.lab.oracles.odd import y\n", "utf-8")
    assert list_judges(tmp_path) == ["odd", "odder"]
    assert [path.name for path in find_tests(tmp_path, "odd")] == ["test_odd.py"]
    before = digest(tmp_path, "odd"), digest(tmp_path, "odder")
    (tests / "test_odd.py").write_text("from client_sim.lab.oracles.odd import z\n", "utf-8")
    after = digest(tmp_path, "odd"), digest(tmp_path, "odder")
    assert before[0] != after[0]
    assert before[1] == after[1]
    (judges / "odder.py").write_text('"""Odder."""  # than odd\n', encoding="utf-8")
    assert digest(tmp_path, "odder") == after[1]
    (judges / "odder.py").write_text("ODD = 1\n", encoding="utf-8")
    assert digest(tmp_path, "odder") != after[1]

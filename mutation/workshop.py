"""Runs mutmut on one judge, in a copy of the necessary files."""

import ast
import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

JUDGES = Path("client_sim/lab/oracles")
TESTS = Path("tests/client_sim/lab/oracles")
COPIED = ("client_sim", "tests/client_sim", "tests/cases.py", "conftest.py", "docs")
SETTINGS = """\
[tool.mutmut]
source_paths = ["client_sim"]
only_mutate = ["{judge}"]
pytest_add_cli_args_test_selection = {tests}
pytest_add_cli_args = [
  "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:unraisableexception", "--hypothesis-seed=0"
]
also_copy = ["conftest.py", "docs"]
timeout_constant = 20.0

[tool.pytest.ini_options]
pythonpath = ["."]
addopts = ["--import-mode=importlib"]
filterwarnings = ["error"]
asyncio_mode = "auto"
asyncio_default_fixture_loop_scope = "function"
"""
"""mutmut's and pytest's settings.

The plugin `unraisableexception` is off because it collects garbage at the end of each of some
thousand sessions, which takes half of their time.
"""
FRESH = """\
import os
import signal
import sys


def pytest_sessionstart():
    for name, module in list(sys.modules.items()):
        if name.startswith("client_sim."):
            for value in list(vars(module).values()):
                if hasattr(value, "cache_clear"):
                    value.cache_clear()


def pytest_runtest_setup():
    signal.signal(signal.SIGPROF, lambda *_: os._exit(1))
    signal.setitimer(signal.ITIMER_PROF, 5.0)


def pytest_runtest_teardown():
    signal.setitimer(signal.ITIMER_PROF, 0.0)
"""
"""The `conftest.py` of a mutant's tests.

It clears the caches, because the process has already run the tests on the original code. A test
fails after five seconds of processor time, which a busy machine does not affect. mutmut's own limit
is in elapsed time and ends a test only after minutes.
"""


def list_judges(repository: Path) -> list[str]:
    """Return the names of the judges' modules."""
    names = {path.stem for path in (repository / JUDGES).glob("*.py")}
    return sorted(names - {"__init__"})


def find_tests(repository: Path, judge: str) -> list[Path]:
    """Return the tests that import from a judge's module.

    If there are none, `mutate` runs all tests of judges.
    """
    imports = re.compile(rf"^from client_sim\.lab\.oracles\.{judge} import ", re.MULTILINE)
    return sorted(
        path.relative_to(repository)
        for path in (repository / TESTS).glob("test_*.py")
        if imports.search(path.read_text(encoding="utf-8"))
    )


def digest(repository: Path, judge: str) -> str:
    """Return 16 hexadecimal digits that change with the code of a judge or of its tests.

    Comments and docstrings do not affect them: no mutant changes these.
    """
    paths = [JUDGES / f"{judge}.py", *find_tests(repository, judge)]
    code = "\n".join(_read_code(repository / path) for path in paths)
    return hashlib.sha256(code.encode()).hexdigest()[:16]


def _read_code(path: Path) -> str:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [each for each in node.body if not _is_docstring(each)]
    return ast.unparse(tree)


def _is_docstring(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def mutate(repository: Path, shop: Path, packages: Path, judge: str, workers: int) -> None:
    """Run mutmut on one judge in the new folder `shop`, which then contains the results."""
    shutil.rmtree(shop, ignore_errors=True)
    for name in COPIED:
        source, target = repository / name, shop / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    tests = ", ".join(f'"{path}"' for path in find_tests(repository, judge) or [TESTS])
    settings = SETTINGS.format(judge=JUDGES / f"{judge}.py", tests=f"[{tests}]")
    (shop / "pyproject.toml").write_text(settings, encoding="utf-8")
    (shop / TESTS / "conftest.py").write_text(FRESH, encoding="utf-8")
    command = [sys.executable, "-m", "mutmut", "run", "--max-children", str(workers)]
    environment = {**os.environ, "PYTHONPATH": str(packages)}
    with (shop / "log").open("wb") as log:
        # The status is not checked: it is 1 if mutants survive, which `read_results` counts.
        subprocess.run(
            command,
            cwd=shop,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            check=False,
        )

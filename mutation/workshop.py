"""A copy of what is needed to mutate the judges, and mutmut at work in it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

JUDGES = Path("client_sim/lab/oracles")
TESTS = Path("tests/client_sim/lab/oracles")
SLOW = ("test_canary.py", "test_completion.py", "test_judging.py")
"""Tests that are left out: they run many clients, or search long."""

COPIED = ("client_sim", "tests/client_sim", "conftest.py", "docs")
SETTINGS = """\
[tool.mutmut]
source_paths = ["client_sim"]
only_mutate = {judges}
pytest_add_cli_args_test_selection = ["{tests}"]
pytest_add_cli_args = {arguments}
also_copy = ["conftest.py", "docs"]

[tool.pytest.ini_options]
pythonpath = ["."]
addopts = ["--import-mode=importlib"]
filterwarnings = ["error"]
asyncio_mode = "auto"
asyncio_default_fixture_loop_scope = "function"
"""


def prepare(repository: Path, shop: Path, modules: list[str]) -> None:
    """Copy code and tests, and write what mutmut must know; an old copy is removed."""
    shutil.rmtree(shop, ignore_errors=True)
    for name in COPIED:
        source, target = repository / name, shop / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    judges = [f"{JUDGES}/{module}.py" for module in modules]
    arguments = ["-p", "no:cacheprovider", "-p", "no:xdist"]
    arguments += [f"--ignore={TESTS}/{name}" for name in SLOW]
    settings = SETTINGS.format(judges=_as_toml(judges), tests=TESTS, arguments=_as_toml(arguments))
    (shop / "pyproject.toml").write_text(settings, encoding="utf-8")


def mutate(shop: Path, packages: Path, modules: list[str], seconds: float) -> bool:
    """Let mutmut try every mutant of some modules; False where the time was up before."""
    command = [sys.executable, "-m", "mutmut", "run", "--max-children", "2"]
    command += [f"{'.'.join(JUDGES.parts)}.{module}.*" for module in modules]
    environment = {**os.environ, "PYTHONPATH": str(packages)}
    with (shop / "log").open("ab") as log:
        try:
            # The status is 1 where mutants survive, which is for the results to say.
            subprocess.run(
                command,
                cwd=shop,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                timeout=max(1.0, seconds),
                check=False,
            )
        except subprocess.TimeoutExpired:
            return False
    return True


def _as_toml(values: list[str]) -> str:
    return "[" + ", ".join(f'"{value}"' for value in values) + "]"

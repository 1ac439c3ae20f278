"""Runs the fuzzers during the load; an input that fails is stored in the folder of the corpus."""

import asyncio
import os
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
#: The fuzzer's environment that belongs to the running one, named as in the Makefile.
ATHERIS = REPOSITORY / Path(sys.prefix).name.replace(".venv", ".venv-fuzz")
CORPUS = REPOSITORY / "fixtures" / "fuzz"
TARGETS = ("heads", "protocol", "captures", "packs", "packages", "cloud")
NICENESS = 10
LAST = 4  # final lines of a fuzzer's output, which describe its failure


async def fuzz(seconds: float) -> dict[str, str]:
    """Fuzz all targets, each for an equal part of `seconds`; return the result of each."""
    if not ATHERIS.is_dir():
        return dict.fromkeys(TARGETS, "atheris is not installed: run `make fuzzer`")
    return {target: await _fuzz(target, seconds / len(TARGETS)) for target in TARGETS}


async def _fuzz(target: str, seconds: float) -> str:
    with tempfile.TemporaryDirectory() as found:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "soak.fuzz", target, found, str(CORPUS / target)),
            f"-max_total_time={max(1, round(seconds))}",
            f"-dict={CORPUS / 'http.dict'}",
            f"-artifact_prefix={CORPUS / target}/",
            cwd=REPOSITORY,
            env={**os.environ, "PYTHONPATH": str(ATHERIS)},
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            preexec_fn=lambda: os.nice(NICENESS),
        )
        _, said = await process.communicate()
    if process.returncode == 0:
        return "no crash"
    return " ".join(said.decode("utf-8", "replace").splitlines()[-LAST:])

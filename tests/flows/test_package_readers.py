"""Changed packages read the same in signer, phone, protobuf's library, zipfile and unzip."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings

from tests.changed_packages import changed_packages, check_readers, fuzz_packages
from tests.package_drafts import full, step

pytestmark = pytest.mark.needs("unzip")
CORPUS = sorted((Path(__file__).parents[2] / "fixtures" / "fuzz" / "packages").iterdir())


@pytest.mark.parametrize("make", [full, step])
def test_unchanged_packages(make, tmp_path):
    """All readers read an unchanged package alike."""
    assert check_readers(make(), tmp_path)


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.name)
def test_fuzzer_corpus(path):
    """All readers read the fuzzer's seeds and former findings alike."""
    fuzz_packages(path.read_bytes())


@settings(max_examples=150)
@given(changed_packages())
def test_changed_packages(draft):
    """A phone installs every package that the signer accepts, and all readers read it alike."""
    with tempfile.TemporaryDirectory() as folder:
        check_readers(draft, Path(folder))

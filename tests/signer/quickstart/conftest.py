"""The steps of a quickstart in this process, and what stops them."""

import pytest

from tests.signer.in_process import InProcess


@pytest.fixture
def in_process(now, passphrase):
    """Return what makes such a runner."""
    return lambda budget=99: InProcess(now, passphrase, budget)

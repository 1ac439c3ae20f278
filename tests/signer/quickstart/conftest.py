"""The steps of a quickstart in this process, and what stops them."""

import itertools
from datetime import timedelta

import pytest

from tests.signer.in_process import InProcess


@pytest.fixture
def in_process(now, passphrase):
    """Return what makes such a runner, each a minute after the one before."""
    minutes = itertools.count()
    return lambda budget=99: InProcess(now + timedelta(minutes=next(minutes)), passphrase, budget)

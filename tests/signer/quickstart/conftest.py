"""Runs the steps of a quickstart in this process."""

import itertools
from datetime import timedelta

import pytest

from tests.signer.in_process import InProcess


@pytest.fixture
def in_process(now, passphrase):
    """Return a function that makes a runner, each a minute later than the one before."""
    minutes = itertools.count()
    return lambda budget=99: InProcess(now + timedelta(minutes=next(minutes)), passphrase, budget)

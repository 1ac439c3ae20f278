"""The world of these tests: a server that offers the first of two releases."""

import pytest


@pytest.fixture
def world(second):
    """Return a test's own server, which offers the first of two releases to all devices."""
    return second

import pytest

from tests.client_sim.device import shop


@pytest.fixture
def ota_repository():
    """Make a repository that offers build 1, in full and from build 0."""
    return shop.make_repository(0)


@pytest.fixture
def phone(tmp_path, ota_repository):
    """Make a phone on disk that runs build 0, with a world in memory."""
    shop.make_phone(tmp_path / "phone", ota_repository)
    return shop.open_phone(tmp_path / "phone", ota_repository)

import dataclasses
import zipfile

import pytest

from client_sim.device.errors import DeviceError, InstallError, StateError, StorageError
from client_sim.device.factory import create_phone_from_package
from client_sim.persona import decode_persona, make_persona
from tests.client_sim.device import shop


@pytest.fixture
def zip_path(tmp_path):
    """Give the path of build 0's full package."""
    path = tmp_path / "full.zip"
    path.write_bytes(shop.package(0))
    return path


@pytest.fixture
def image(repository):
    """Make an image that fits the package."""
    return shop.make_image(repository, 80)


def _left(tmp_path):
    return sorted(path.name for path in tmp_path.iterdir())


def test_a_full_package_becomes_a_phone(tmp_path, zip_path, image):
    """Slot a holds the very images of the build, confirmed, and the owner's data lies apart."""
    phone = create_phone_from_package(
        tmp_path / "phone", image, zip_path, counter=1, persona=make_persona(3)
    )
    assert phone.running_build == shop.facts(0)
    assert phone.floor == 1
    for name, path in shop.find_build("armani", "id", 0).images.items():
        assert phone.slots.image_path(name).read_bytes() == path.read_bytes()
    owner = (tmp_path / "phone/personal/persona.json").read_bytes()
    assert decode_persona(owner) == make_persona(3)
    assert _left(tmp_path) == ["full.zip", "phone"]


def test_an_incremental_makes_no_phone(tmp_path, image):
    """There is nothing yet that it could start from."""
    path = tmp_path / "delta.zip"
    path.write_bytes(shop.package(1, 0))
    with pytest.raises(InstallError, match="incremental"):
        create_phone_from_package(tmp_path / "phone", image, path, counter=1)
    assert _left(tmp_path) == ["delta.zip"]


def test_another_models_package_makes_no_phone(tmp_path, zip_path, image):
    """The package names its device."""
    other = dataclasses.replace(image, facts=dataclasses.replace(image.facts, codename="dior"))
    with pytest.raises(InstallError, match="another model"):
        create_phone_from_package(tmp_path / "phone", other, zip_path, counter=1)
    assert _left(tmp_path) == ["full.zip"]


@pytest.mark.parametrize("damage", ["cut", "text", "empty zip", "payload"])
def test_what_is_no_package_makes_no_phone(tmp_path, zip_path, image, damage):
    """One error, and nothing left behind."""
    data = zip_path.read_bytes()
    match damage:
        case "cut":
            zip_path.write_bytes(data[: len(data) // 2])
        case "text":
            zip_path.write_text("hello")
        case "payload":
            place = data.index(b"CrAU") + 2000
            zip_path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        case _:
            zipfile.ZipFile(zip_path, "w").close()
    with pytest.raises(DeviceError):
        create_phone_from_package(tmp_path / "phone", image, zip_path, counter=1)
    assert _left(tmp_path) == ["full.zip"]


def test_an_existing_folder_is_left_alone(tmp_path, zip_path, image):
    """A phone is never made over another one."""
    (tmp_path / "phone").mkdir()
    (tmp_path / "phone/mine").touch()
    with pytest.raises(StateError, match="exists"):
        create_phone_from_package(tmp_path / "phone", image, zip_path, counter=1)
    assert _left(tmp_path / "phone") == ["mine"]


def test_a_root_that_is_none_makes_no_phone(tmp_path, zip_path, image):
    """A phone that trusts nothing valid could never poll."""
    with pytest.raises(DeviceError, match="root"):
        create_phone_from_package(
            tmp_path / "phone", dataclasses.replace(image, root=b"{}"), zip_path, counter=1
        )
    assert _left(tmp_path) == ["full.zip"]


def test_what_cannot_be_read_is_told(tmp_path, image):
    """A folder in place of the package is a failure of the environment."""
    with pytest.raises(StorageError):
        create_phone_from_package(tmp_path / "phone", image, tmp_path, counter=1)
    assert not _left(tmp_path)


def test_a_phone_that_cannot_be_written_is_told(zip_path, image):
    """A file where the phone's parent folder should be."""
    with pytest.raises(StorageError):
        create_phone_from_package(zip_path / "phone", image, zip_path, counter=1)


@pytest.mark.parametrize("time", [b"post-timestamp=17682X3600", b"post-timesXamp=1"])
def test_a_package_without_a_build_time_makes_no_phone(tmp_path, zip_path, image, time):
    """The build date is a floor for the clock, so that it must be a number."""
    data = zip_path.read_bytes()
    place = data.index(b"post-timestamp=")
    zip_path.write_bytes(data[:place] + time + data[place + len(time) :])
    with pytest.raises(InstallError):
        create_phone_from_package(tmp_path / "phone", image, zip_path, counter=1)

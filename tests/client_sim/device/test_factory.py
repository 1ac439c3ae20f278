import dataclasses
import io
import zipfile
import zlib

import pytest

from client_sim.device.candidate import METADATA
from client_sim.device.errors import DeviceError, InstallError, StateError, StorageError
from client_sim.device.factory import create_phone_from_package
from client_sim.persona import decode_persona, make_persona
from tests.cases import case
from tests.client_sim.device import shop


@pytest.fixture
def zip_path(tmp_path):
    """Return the path of build 0's full package."""
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
    """Slot a holds the build's images and is confirmed; the owner's data is in its own folder."""
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
    """An incremental is refused, as there is no build to start from."""
    path = tmp_path / "delta.zip"
    path.write_bytes(shop.package(1, 0))
    with pytest.raises(InstallError, match="incremental"):
        create_phone_from_package(tmp_path / "phone", image, path, counter=1)
    assert _left(tmp_path) == ["delta.zip"]


def test_an_image_that_does_not_fit_makes_no_phone(tmp_path, zip_path, image):
    """Another model or an invalid root is refused."""
    other = dataclasses.replace(image.facts, codename="dior")
    for changes, error, words in (
        ({"facts": other}, InstallError, "another model"),
        ({"root": b"{}"}, DeviceError, "root"),
    ):
        changed = dataclasses.replace(image, **changes)
        with pytest.raises(error, match=words):
            create_phone_from_package(tmp_path / "phone", changed, zip_path, counter=1)
        assert _left(tmp_path) == ["full.zip"]


def _flip(data):
    place = data.index(b"CrAU") + 2000
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


def _replace(data, old, new):
    """Change the metadata of a package, and its checksum."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        text = archive.read(METADATA)
    changed = text.replace(old, new, 1)
    sums = (zlib.crc32(each).to_bytes(4, "little") for each in (text, changed))
    return data.replace(text, changed).replace(*sums)


def test_damaged_package_makes_no_phone(tmp_path, zip_path, image):
    """Damaged packages, and those without a build date, are refused; no file is left."""
    data, untimed = zip_path.read_bytes(), "does not say when its build was made"
    for damaged, words in (
        *((each, None) for each in (data[: len(data) // 2], b"hello", b"PK\5\6" + bytes(18))),
        (_flip(data), None),
        (_replace(data, b"post-timestamp=1", b"post-timestamp=X"), untimed),
        (_replace(data, b"post-timestamp=", b"post-timesXamp="), untimed),
    ):
        zip_path.write_bytes(damaged)
        with case(damaged[:20], len(damaged)), pytest.raises(DeviceError, match=words):
            create_phone_from_package(tmp_path / "phone", image, zip_path, counter=1)
        assert _left(tmp_path) == ["full.zip"]


def test_an_existing_folder_is_left_alone(tmp_path, zip_path, image):
    """A phone is not made in a folder that exists."""
    (tmp_path / "phone").mkdir()
    (tmp_path / "phone/mine").touch()
    with pytest.raises(StateError, match="exists"):
        create_phone_from_package(tmp_path / "phone", image, zip_path, counter=1)
    assert _left(tmp_path / "phone") == ["mine"]


def test_file_system_errors_are_storage_errors(tmp_path, zip_path, image):
    """A folder in place of the package, and a file in place of the parent folder."""
    for folder, package in ((tmp_path / "phone", tmp_path), (zip_path / "phone", zip_path)):
        with pytest.raises(StorageError):
            create_phone_from_package(folder, image, package, counter=1)
    assert _left(tmp_path) == ["full.zip"]

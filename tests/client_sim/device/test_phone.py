import shutil

import pytest

from client_sim.device.errors import (
    AgreementError,
    DownloadError,
    InstallError,
    LogError,
    StorageError,
    TrustError,
)
from client_sim.device.phone import Phone
from client_sim.engine.slots import Slots
from tests.client_sim.device import shop
from tests.client_sim.device.fake_world import HOST
from tests.client_sim.device.repository_simulator import POINTER, START
from tests.client_sim.device.web_server import serve
from tests.client_sim.engine.power_cut import DyingDisk, PowerCut
from tests.client_sim.engine.streamed import snapshot


def _healthy(_build):
    return True


def test_install_reboot_and_confirm_over_real_sockets(tmp_path, ota_repository):
    """Poll, installation and the last check use one connection each; then build 1 runs."""
    with serve(ota_repository) as server:
        shop.make_phone(tmp_path / "phone", ota_repository, server.port)
        phone = Phone(
            tmp_path / "phone", resolver={HOST: ["127.0.0.1"]}, now=lambda: float(shop.NOW)
        )
        done = phone.install()
        assert done.installed == shop.facts(1)
        assert phone.running_build == shop.facts(0)
        outcome = phone.reboot(is_healthy=_healthy)
    assert outcome.failed_build is None
    assert phone.running_build == shop.facts(1)
    assert phone.floor == 2
    assert phone.slots.state.slots["b"].successful
    for name, image in shop.find_build("armani", "id", 1).images.items():
        assert phone.slots.image_path(name).read_bytes() == image.read_bytes()
    # The role is stored, so that checking it again needs no fourth connection.
    heads = [data.split(b"\r\n\r\n")[:-1] for data in server.received]
    paths = [[head.split(b" ")[1].decode() for head in connection] for connection in heads]
    assert paths[1][:2] == ["/metadata/2.armani.json", "/log/proof/armani.2"]
    assert all(path.endswith(".armani-1-from-0.zip") for path in paths[1][2:])
    assert paths[2:] == [["/metadata/2.root.json", "/metadata/timestamp.json"]]
    host = b"Host: updates.hening.example:%d" % server.port
    assert {head.split(b"\r\n")[1] for connection in heads for head in connection} == {host}
    # The server received the bytes of FORMATS section 9.
    first = "GET {} HTTP/1.1\r\n{}\r\nAccept-Encoding: gzip\r\n\r\n"
    assert len(paths[0]) == 10
    sent = "".join(first.format(path, host.decode()) for path in paths[0])
    assert server.received[0] == sent.encode()


def test_only_newer_builds_are_installed(phone, ota_repository):
    """After build 1 build 2 is installed; a pointer back to build 1 offers nothing."""
    phone.install()
    phone.reboot(is_healthy=_healthy)
    assert phone.install().installed is None
    shop.announce(ota_repository, 2, [shop.add_package(ota_repository, 2)])
    assert phone.install().installed == shop.facts(2)
    phone.reboot(is_healthy=_healthy)
    shop.announce(ota_repository, 1, [shop.add_package(ota_repository, 1)])
    done = phone.install()
    assert done.installed is None
    assert "nothing to install" in done.reason


def test_build_that_does_not_boot(phone):
    """The phone falls back to the old build, and retries the new one only on request."""
    phone.install()
    with pytest.raises(InstallError, match="reboot"):
        phone.install()
    outcome = phone.reboot(is_healthy=lambda build: build == shop.facts(0))
    assert outcome.failed_build == shop.facts(1)
    assert phone.running_build == shop.facts(0)
    assert phone.floor == 1
    done = phone.install()
    assert done.installed is None
    assert "did not start" in done.reason
    assert phone.install(retry_failed=True).installed == shop.facts(1)
    phone.reboot(is_healthy=_healthy)
    assert phone.running_build == shop.facts(1)
    assert phone.floor == 2


def test_a_failed_build_is_remembered_after_a_power_cut(phone, ota_repository):
    """The failure is taken from the boot state if the phone lost power right after the fallback."""
    phone.install()
    phone.slots.boot(lambda build: build == shop.facts(0))
    assert phone.install().installed is None
    shop.announce(ota_repository, 2, [shop.add_package(ota_repository, 2)])
    assert phone.install().installed == shop.facts(2)
    assert phone.state["failed"] == b"2"


def test_floor_rises_after_confirmation(tmp_path, phone, ota_repository):
    """After a power cut during the first start, a build that then fails can be installed again."""
    phone.install()
    steps = 0
    while True:
        folder = tmp_path / f"cut-{steps}"
        shutil.copytree(tmp_path / "phone", folder)
        try:
            shop.open_phone(folder, ota_repository, disk=DyingDisk(steps)).reboot(
                is_healthy=_healthy
            )
        except PowerCut:
            again = shop.open_phone(folder, ota_repository)
            if not again.slots.state.slots["b"].successful:
                again.reboot(is_healthy=lambda build: build == shop.facts(0))
                assert again.running_build == shop.facts(0)
                assert again.floor == 1
                assert again.install(retry_failed=True).installed == shop.facts(1)
        else:
            break
        steps += 1
    assert steps > 10


def _halt(repository):
    repository.signed["latest"].targets[POINTER].custom["h"] = True
    repository.publish("latest")


def _supersede(number, permille):
    """Halt, then announce a build without the halt."""

    def change(repository):
        _halt(repository)
        package = shop.add_package(repository, number)
        shop.announce(repository, number, [package], r=[[START, permille]])

    return change


def _withdraw(repository):
    for target in repository.signed["armani"].targets.values():
        target.custom["withdrawn"] = True
    repository.publish("armani")


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (_halt, InstallError, "halted"),
        (_supersede(2, 0), InstallError, "offer changed .* build 2 is not started"),
        (_supersede(2, 1000), InstallError, "offer changed .* build 2 is not started"),
        (_supersede(1, 1000), InstallError, "offer changed .* build 2 is not started"),
        (_withdraw, AgreementError, "withdrawn"),
    ],
)
def test_offer_that_changes_during_the_download(phone, ota_repository, change, error, words):
    """Pointer and codename role are checked again right before the switch of slots.

    The offer is halted, withdrawn, or superseded by no build, the next build or another package.
    """
    answer = ota_repository.answer

    def change_after_a_block(head):
        reply = answer(head)
        if b"Range: " in head:
            ota_repository.answer = answer
            change(ota_repository)
        return reply

    ota_repository.answer = change_after_a_block
    with pytest.raises(error, match=words):
        phone.install()
    assert ota_repository.answer == answer
    assert phone.slots.is_begun
    assert phone.slots.state.active == "a"
    phone.reboot(is_healthy=_healthy)
    assert phone.running_build == shop.facts(0)


def test_a_model_without_a_role_installs_nothing(phone, ota_repository):
    """A pointer to a model without a delegated role is refused."""
    del ota_repository.signed["targets"].delegations.roles["armani"]
    ota_repository.publish("targets", "latest")
    with pytest.raises(TrustError, match="no role for the model armani"):
        phone.install()


def test_a_failing_disk_is_a_storage_error(phone):
    """Errors of the slots' file system become the phone's own error."""
    (phone.slots.directory / "boot.json").unlink()
    with pytest.raises(InstallError, match="flash"):
        phone.reboot(is_healthy=_healthy)
    phone.slots = _BrokenSlots(phone.slots.directory)
    with pytest.raises(StorageError):
        phone.reboot(is_healthy=_healthy)


class _BrokenSlots(Slots):
    @property
    def state(self):
        """Fail as a worn-out flash chip does."""
        raise OSError("input/output error")


def test_a_forged_proof_of_the_model_is_refused(phone, ota_repository):
    """The codename role is not stored before its log proof is verified."""
    ota_repository.files["/log/proof/armani.2"] = ota_repository.files["/log/proof/armani.1"]
    with pytest.raises(LogError):
        phone.install()
    assert "role.armani" not in phone.state


def test_a_tampered_package_is_thrown_away(phone, ota_repository):
    """A changed byte is found after the last block, streamed or whole, and no data of it stays."""
    shop.announce(ota_repository, 1, [shop.add_package(ota_repository, 1)])
    path = shop.path_of(ota_repository, "armani-1-full.zip")
    whole = ota_repository.files[path]
    shop.break_one_byte(ota_repository, "armani-1-full.zip")
    before = snapshot(phone.slots.directory)
    for is_whole in (False, True):
        with pytest.raises(DownloadError, match="not the signed one"):
            phone.install(is_whole=is_whole)
        assert "unusable" not in phone.state
        assert not list((phone.slots.directory.parent / "downloads").iterdir())
        assert snapshot(phone.slots.directory) == before
    ota_repository.files[path] = whole
    assert phone.install().installed == shop.facts(1)

import pytest

from client_sim.device.conditions import Conditions, UpdateSettings, store_settings
from client_sim.device.errors import GoneError, InstallError, TransportError
from fixtures.build import Package, build_payload, write_ota
from fixtures.catalogue import find_build
from tests.cases import case
from tests.client_sim.device import shop
from tests.client_sim.device.repository_simulator import response

INCREMENTAL = "armani-1-from-0.zip"
FULL = "armani-1-full.zip"


def requested_packages(phone):
    """Return the names of the requested packages, in order."""
    paths = [path for path in phone.world.paths if path.startswith("/targets/")]
    return [path.split(".", 1)[1] for path in paths]


def boot(phone):
    """Restart the phone."""
    return phone.reboot(is_healthy=lambda _build: True)


def _change_running_slot(phone):
    """Change the running slot, so that the incremental does not fit."""
    image = phone.slots.image_path("system")
    image.write_bytes(bytes(image.stat().st_size))


def _answer_with(status):
    def change(phone):
        repository = phone.world.repository
        repository.overrides[shop.path_of(repository, INCREMENTAL)] = response(status, b"no\n")

    return change


@pytest.mark.parametrize(
    "spoil",
    [
        _answer_with(b"404 Not Found"),
        _answer_with(b"410 Gone"),
        lambda phone: shop.break_one_byte(phone.world.repository, INCREMENTAL),
        _change_running_slot,
    ],
)
def test_unusable_incremental_is_replaced_by_the_full_package(phone, ota_repository, spoil):
    """The full package follows in the same installation, without fetching the role again.

    The record of the unusable package is removed when build 1 is confirmed.
    """
    spoil(phone)
    said = []
    done = phone.install(report=said.append)
    assert done.poll.offer.type == "incremental"
    assert done.offer.type == "full"
    assert requested_packages(phone) == [INCREMENTAL, FULL]
    assert any("of no use" in sentence for sentence in said)
    assert phone.world.paths.count("/metadata/2.armani.json") == 1
    start = phone.world.paths.index(shop.path_of(ota_repository, FULL))
    assert phone.world.paths[start + 1 :] == ["/metadata/2.root.json", "/metadata/timestamp.json"]
    assert "unusable" in phone.state
    boot(phone)
    assert phone.running_build == shop.facts(1)
    assert "unusable" not in phone.state


def test_unusable_incremental_is_not_tried_again(tmp_path, phone, ota_repository):
    """Incremental and full package are gone; later the phone requests only the full one."""
    del ota_repository.files[shop.path_of(ota_repository, INCREMENTAL)]
    full = ota_repository.files.pop(shop.path_of(ota_repository, FULL))
    with pytest.raises(GoneError):
        phone.install()
    again = shop.open_phone(tmp_path / "phone", ota_repository)
    assert again.poll().offer.type == "full"
    ota_repository.add_release(full, FULL)
    again.install()
    assert requested_packages(again) == [FULL]


def test_server_errors_lead_to_no_fallback(phone, ota_repository):
    """After a server error or a broken connection the incremental is requested again."""
    for answer in (response(b"500 Oops", b"no\n"), response(b"200 OK", b"no\n"), OSError("reset")):
        ota_repository.overrides[shop.path_of(ota_repository, INCREMENTAL)] = answer
        with case(answer), pytest.raises(TransportError):
            phone.install()
    assert set(requested_packages(phone)) == {INCREMENTAL}
    ota_repository.overrides.clear()
    assert phone.install().offer.type == "incremental"


UNMET = [
    ("battery", Conditions(battery_percent=29)),
    ("network", Conditions(is_metered=True)),
    ("room", Conditions(free_bytes=1)),
    ("quiet", Conditions(local_minute=1)),
    ("consent", Conditions()),
]


def test_unmet_condition_stops_after_the_poll(tmp_path, ota_repository):
    """All phones send the same bytes up to there, and the reason names the condition."""
    sent = set()
    for number, (name, conditions) in enumerate(UNMET):
        folder = tmp_path / str(number)
        shop.make_phone(folder, ota_repository)
        phone = shop.open_phone(folder, ota_repository)
        settings = UpdateSettings(asks=name == "consent", quiet=(0, 60 + number))
        store_settings(phone.state, settings)
        done = phone.install(conditions=conditions)
        with case(name):
            assert done.installed is None
            (failed,) = [check for check in done.checks if not check.passed]
            assert (failed.name, failed.sentence) == (name, done.reason)
            assert done.poll.offer is not None
            assert not [path for path in phone.world.paths if "armani" in path]
        sent.add(b"".join(phone.world.sent))
    assert len(sent) == 1


def test_consent_is_for_one_build(phone, ota_repository):
    """Consent outlives a broken download, and is needed again for build 2."""
    store_settings(phone.state, UpdateSettings(asks=True))
    assert "waits until the owner agrees" in phone.install().reason
    ota_repository.overrides[shop.path_of(ota_repository, INCREMENTAL)] = response(b"500 Oops", b"")
    with pytest.raises(TransportError):
        phone.install(is_agreed=True)
    assert phone.state["agreed"] == b"2"
    ota_repository.overrides.clear()
    assert phone.install().installed == shop.facts(1)
    boot(phone)
    assert "agreed" not in phone.state
    shop.announce(ota_repository, 2, [shop.add_package(ota_repository, 2)])
    assert phone.install().reason == "Build 3 waits until the owner agrees to it."


def test_fallback_checks_the_conditions_again(phone, ota_repository):
    """There is room for the incremental, but not for the full package."""
    path = shop.path_of(ota_repository, INCREMENTAL)
    room = Conditions(free_bytes=len(ota_repository.files.pop(path)))
    done = phone.install(conditions=room)
    assert done.installed is None
    assert done.checks[-1].name == "room"
    assert requested_packages(phone) == [INCREMENTAL]
    assert phone.install(conditions=Conditions(free_bytes=10**9)).offer.type == "full"


@pytest.mark.parametrize("is_refused", [False, True])
def test_installation_draws_a_due_time_after_its_last_poll(phone, ota_repository, is_refused):
    """The next poll is due 4 to 8 hours after the last one, also if that failed."""
    if is_refused:
        ota_repository.overrides["/metadata/timestamp.json"] = response(b"500 Oops", b"")
        with pytest.raises(TransportError):
            phone.install()
    else:
        phone.install()
    assert 14_400 <= float(phone.state["due"]) - shop.NOW <= 28_800
    assert phone.next_poll() == float(phone.state["due"])


def _list_wrong_incremental(repository):
    """List a signed incremental of build 1 that writes build 2's images; return the links."""
    first, second, third = (find_build("armani", "id", number) for number in range(3))
    wrong = write_ota(Package(second, first), build_payload(Package(third, first)))
    return [shop.add_package(repository, 1), shop.add_data(repository, wrong, 1, 0)]


def _withdraw_incremental(repository, full):
    (path,) = [path for path in repository.signed["armani"].targets if "from" in path]
    repository.signed["armani"].targets[path].unrecognized_fields["custom"]["withdrawn"] = True
    shop.announce(repository, 1, [full])


def _change_before_last_poll(repository, then):
    """Call a function after the package was requested, before the pointer is polled again."""
    answer, asked = repository.answer, []

    def late(head):
        if b"/targets/" in head:
            asked.append(head)
        elif asked and b"/metadata/timestamp.json" in head:
            repository.answer = answer
            then()
        return answer(head)

    repository.answer = late


@pytest.mark.parametrize("is_whole", [False, True])
@pytest.mark.parametrize("is_lost", [False, True])
def test_withdrawn_package_is_not_started(tmp_path, ota_repository, is_whole, is_lost):
    """The full package of the same build is fetched and runs.

    The last poll finds the incremental withdrawn, or fails, and the next attempt finds it.
    """
    full, wrong = _list_wrong_incremental(ota_repository)
    shop.announce(ota_repository, 1, [full, wrong])
    shop.make_phone(tmp_path / "phone", ota_repository)
    phone = shop.open_phone(tmp_path / "phone", ota_repository)

    def lose():
        raise OSError("tunnel")

    def withdraw():
        _withdraw_incremental(ota_repository, full)

    _change_before_last_poll(ota_repository, lose if is_lost else withdraw)
    with pytest.raises(TransportError if is_lost else InstallError):
        phone.install(is_whole=is_whole)
    assert requested_packages(phone) == [INCREMENTAL]
    assert phone.slots.is_begun is not is_lost
    if is_lost:
        withdraw()
    again = shop.open_phone(tmp_path / "phone", ota_repository)
    assert again.install(is_whole=is_whole).offer.type == "full"
    assert requested_packages(again) == [FULL]
    boot(again)
    for name, path in find_build("armani", "id", 1).images.items():
        assert again.slots.image_path(name).read_bytes() == path.read_bytes()

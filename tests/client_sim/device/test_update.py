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


def path_of(repository, name):
    """Return the path under which a package is served."""
    return next(path for path in repository.files if path.endswith(name))


def packages_asked_for(phone):
    """Return the names of the packages that were asked for, in order."""
    paths = [path for path in phone.world.paths if path.startswith("/targets/")]
    return [path.split(".", 1)[1] for path in paths]


def boot(phone):
    """Restart the phone with whatever was installed."""
    return phone.reboot(is_healthy=lambda _build: True)


def break_one_byte(repository, name):
    """Serve a package that is not the signed one."""
    path = path_of(repository, name)
    whole = repository.files[path]
    repository.files[path] = whole[:1000] + bytes([whole[1000] ^ 1]) + whole[1001:]


def _misfit(phone):
    """Change the running slot: it is not what the incremental starts from, as its hashes say."""
    image = phone.slots.image_path("system")
    image.write_bytes(bytes(image.stat().st_size))


def _answer_with(status):
    def change(phone):
        repository = phone.world.repository
        repository.overrides[path_of(repository, INCREMENTAL)] = response(status, b"no\n")

    return change


@pytest.mark.parametrize(
    "spoil",
    [
        _answer_with(b"404 Not Found"),
        _answer_with(b"410 Gone"),
        lambda phone: break_one_byte(phone.world.repository, INCREMENTAL),
        _misfit,
    ],
)
def test_an_incremental_of_no_use_is_replaced_by_the_full_package(phone, market, spoil):
    """In the same go, under the role that is held: its connection asks for nothing else.

    Once build 1 is confirmed, the record of what did not lead there is gone.
    """
    spoil(phone)
    said = []
    done = phone.install(report=said.append)
    assert done.poll.offer.type == "incremental"
    assert done.offer.type == "full"
    assert packages_asked_for(phone) == [INCREMENTAL, FULL]
    assert any("of no use" in sentence for sentence in said)
    assert phone.world.paths.count("/metadata/2.armani.json") == 1
    start = phone.world.paths.index(path_of(market, FULL))
    assert phone.world.paths[start + 1 :] == ["/metadata/2.root.json", "/metadata/timestamp.json"]
    assert "unusable" in phone.state
    boot(phone)
    assert phone.running_build == shop.facts(1)
    assert "unusable" not in phone.state


def test_what_was_of_no_use_is_not_tried_again(tmp_path, phone, market):
    """Incremental and full are both gone: the next time the phone asks for the full one alone."""
    del market.files[path_of(market, INCREMENTAL)]
    full = market.files.pop(path_of(market, FULL))
    with pytest.raises(GoneError):
        phone.install()
    again = shop.open_phone(tmp_path / "phone", market)
    assert again.poll().offer.type == "full"
    market.add_release(full, FULL)
    again.install()
    assert packages_asked_for(again) == [FULL]


def test_a_server_in_trouble_is_no_reason_to_fall_back(phone, market):
    """Nor is a broken connection: the incremental is asked for again next time."""
    for answer in (response(b"500 Oops", b"no\n"), response(b"200 OK", b"no\n"), OSError("reset")):
        market.overrides[path_of(market, INCREMENTAL)] = answer
        with case(answer), pytest.raises(TransportError):
            phone.install()
    assert set(packages_asked_for(phone)) == {INCREMENTAL}
    market.overrides.clear()
    assert phone.install().offer.type == "incremental"


UNMET = [
    ("battery", Conditions(battery_percent=29)),
    ("network", Conditions(is_metered=True)),
    ("room", Conditions(free_bytes=1)),
    ("quiet", Conditions(local_minute=1)),
    ("consent", Conditions()),
]


def test_an_unmet_condition_stops_before_the_model_is_shown(tmp_path, market):
    """The poll is that of every phone, no request follows it, and the sentence says why."""
    sent = set()
    for number, (name, conditions) in enumerate(UNMET):
        folder = tmp_path / str(number)
        shop.make_phone(folder, market)
        phone = shop.open_phone(folder, market)
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


def test_the_owner_is_asked_for_each_build(phone, market):
    """Once, also where the download broke; build 2 waits for another word."""
    store_settings(phone.state, UpdateSettings(asks=True))
    assert "waits until the owner agrees" in phone.install().reason
    market.overrides[path_of(market, INCREMENTAL)] = response(b"500 Oops", b"")
    with pytest.raises(TransportError):
        phone.install(is_agreed=True)
    assert phone.state["agreed"] == b"2"
    market.overrides.clear()
    assert phone.install().installed == shop.facts(1)
    boot(phone)
    assert "agreed" not in phone.state
    shop.announce(market, 2, [shop.add_package(market, 2)])
    assert phone.install().reason == "Build 3 waits until the owner agrees to it."


def test_a_fall_back_asks_the_conditions_again(phone, market):
    """There is room for the incremental and none for the full package: nothing is installed."""
    path = path_of(market, INCREMENTAL)
    room = Conditions(free_bytes=len(market.files.pop(path)))
    done = phone.install(conditions=room)
    assert done.installed is None
    assert done.checks[-1].name == "room"
    assert packages_asked_for(phone) == [INCREMENTAL]
    assert phone.install(conditions=Conditions(free_bytes=10**9)).offer.type == "full"


@pytest.mark.parametrize("is_refused", [False, True])
def test_a_due_time_is_drawn_behind_each_poll_of_an_installation(phone, market, is_refused):
    """Behind the last look, too, and also where the poll goes wrong: 4 to 8 hours from then."""
    if is_refused:
        market.overrides["/metadata/timestamp.json"] = response(b"500 Oops", b"")
        with pytest.raises(TransportError):
            phone.install()
    else:
        phone.install()
    assert 14_400 <= float(phone.state["due"]) - shop.NOW <= 28_800
    assert phone.next_poll() == float(phone.state["due"])


def _list_wrong_incremental(repository):
    """List, signed, an incremental of build 1 that makes build 2's images; returns the links."""
    first, second, third = (find_build("armani", "id", number) for number in range(3))
    wrong = write_ota(Package(second, first), build_payload(Package(third, first)))
    return [shop.add_package(repository, 1), shop.add_data(repository, wrong, 1, 0)]


def _withdraw_incremental(repository, full):
    (path,) = [path for path in repository.signed["armani"].targets if "from" in path]
    repository.signed["armani"].targets[path].unrecognized_fields["custom"]["withdrawn"] = True
    shop.announce(repository, 1, [full])


def _break_last_look(repository, then):
    """Do something when the package has been asked for and the pointer is looked at once more."""
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
def test_what_a_withdrawn_package_left_is_not_started(tmp_path, market, is_whole, is_lost):
    """The full package of the same build is fetched, and its bytes run.

    The last look finds the incremental withdrawn, or it gets lost and the next attempt finds that.
    """
    full, wrong = _list_wrong_incremental(market)
    shop.announce(market, 1, [full, wrong])
    shop.make_phone(tmp_path / "phone", market)
    phone = shop.open_phone(tmp_path / "phone", market)

    def lose():
        raise OSError("tunnel")

    def withdraw():
        _withdraw_incremental(market, full)

    _break_last_look(market, lose if is_lost else withdraw)
    with pytest.raises(TransportError if is_lost else InstallError):
        phone.install(is_whole=is_whole)
    assert packages_asked_for(phone) == [INCREMENTAL]
    assert phone.slots.is_begun is not is_lost
    if is_lost:
        withdraw()
    again = shop.open_phone(tmp_path / "phone", market)
    assert again.install(is_whole=is_whole).offer.type == "full"
    assert packages_asked_for(again) == [FULL]
    boot(again)
    for name, path in find_build("armani", "id", 1).images.items():
        assert again.slots.image_path(name).read_bytes() == path.read_bytes()

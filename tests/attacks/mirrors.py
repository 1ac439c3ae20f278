"""Attacks by a server or mirror that has none of the repository's keys."""

from tuf.api.metadata import DelegatedRole, Delegations, TargetFile

from client_sim.device.errors import (
    AgreementError,
    DownloadError,
    ExpiredError,
    InstallError,
    LogError,
    PointerError,
    ProfileError,
    TransportError,
    TrustError,
)
from tests.attacks.attack_list import attack, foreign_signer, publish, replace_packages
from tests.client_sim.device import shop
from tests.client_sim.device.repository_simulator import (
    DAY,
    POINTER,
    Log,
    Repository,
    response,
)

# Arbitrary software installation: files or metadata of the attacker's own.


@attack("arbitrary installation", DownloadError, InstallError)
def _another_package(attacked):
    replace_packages(attacked, lambda data: shop.package(2)[: len(data)].ljust(len(data), b"\0"))


@attack("arbitrary installation", DownloadError, InstallError)
def _one_flipped_bit(attacked):
    replace_packages(attacked, lambda data: data[:-1] + bytes([data[-1] ^ 1]))


@attack("arbitrary installation", TrustError)
def _foreign_keys_for_every_role(attacked):
    signers = attacked.repository.signers
    for name in signers:
        if name != "root":
            signers[name] = foreign_signer()
    publish(attacked, "targets", "tables", "content", "armani", "latest")


@attack("arbitrary installation", TrustError)
def _a_foreign_root(attacked):
    repository = attacked.repository
    kept = dict(repository.files)
    version = repository.signed["root"].version
    foreign = Repository(shop.NOW)
    foreign.publish_root()
    repository.files["/metadata/2.root.json"] = foreign.files["/metadata/2.root.json"]
    yield
    repository.files = kept
    repository.signed["root"].version = version


@attack("arbitrary installation", TrustError)
def _no_signatures(attacked):
    attacked.repository.signers["latest"] = []
    publish(attacked, "latest")


@attack("arbitrary installation", LogError)
def _a_log_of_the_attackers_own(attacked):
    log = attacked.repository.log
    attacked.repository.log = Log()
    publish(attacked, "latest")
    yield
    attacked.repository.log = log


# Extraneous dependencies: things to install that no role lists.


@attack("extraneous dependencies", AgreementError)
def _a_package_that_the_model_does_not_list(attacked):
    link = shop.add_package(attacked.repository, 1, 0)
    extra = {**link, "p": link["p"].replace("armani-1", "armani-x")}
    full = shop.add_package(attacked.repository, 1)
    attacked.announce(full, extra)


@attack("extraneous dependencies", PointerError)
def _a_fourth_package(attacked):
    links = [shop.add_package(attacked.repository, 1)]
    attacked.announce(*links, *[shop.add_package(attacked.repository, 1, 0)] * 3)


@attack("extraneous dependencies", ProfileError)
def _a_target_outside_the_roles_path(attacked):
    armani = attacked.repository.signed["armani"]
    armani.targets["tables/apn/list.bin"] = TargetFile.from_data("tables/apn/list.bin", b"x")
    publish(attacked)


@attack("extraneous dependencies", ProfileError)
def _a_role_that_delegates(attacked):
    armani = attacked.repository.signed["armani"]
    role = DelegatedRole("more", [], 1, terminating=True, paths=["armani/*/*/*"])
    armani.delegations = Delegations({}, {"more": role})
    publish(attacked)
    yield
    armani.delegations = None


# Indefinite freeze: the server always sends the same state.


@attack("indefinite freeze", ExpiredError)
def _the_same_timestamp_for_two_days(attacked):
    attacked.poll()
    attacked.clock += 2 * DAY


@attack("indefinite freeze", ExpiredError)
def _a_fresh_timestamp_over_old_roles(attacked):
    attacked.poll()
    attacked.clock += 100 * DAY
    attacked.repository.now = int(attacked.clock)
    attacked.repository.publish()


@attack("indefinite freeze", ExpiredError)
def _a_phone_that_was_off_for_a_year(attacked):
    attacked.clock += 400 * DAY
    yield
    attacked.repository.now = int(attacked.clock)
    attacked.repository.publish_root()


# Malicious mirrors: a server that an attacker operates.


@attack("malicious mirrors", TransportError)
def _every_path_is_missing(attacked):
    attacked.server.reply = lambda _path, _answer: [response(b"404 Not Found", b"no")]


@attack("malicious mirrors", TrustError)
def _a_login_page_for_each_path(attacked):
    attacked.server.reply = lambda _path, _answer: [response(b"200 OK", b"<html>Welcome</html>")]


@attack("malicious mirrors", TrustError)
def _a_foreign_mirror(attacked):
    attacked.server.repository = foreign = Repository(shop.NOW)
    shop.announce(foreign, 1, [shop.add_package(foreign, 1)])


@attack("malicious mirrors", TransportError)
def _no_package(attacked):
    attacked.server.reply = lambda path, answer: [
        response(b"410 Gone", b"") if path.startswith("/targets/") else answer
    ]


@attack("malicious mirrors", TransportError)
def _no_proofs(attacked):
    attacked.server.reply = lambda path, answer: [
        response(b"404 Not Found", b"") if path.startswith("/log/") else answer
    ]


@attack("malicious mirrors", TransportError)
def _answers_out_of_order(attacked):
    answers = []

    def shuffle(_path, answer):
        answers.append(answer)
        return [answers[len(answers) // 2 - 1]]

    attacked.server.reply = shuffle


# Wrong software: valid packages, but not the one that was requested.


@attack("wrong software", TransportError)
def _the_package_of_another_build(attacked):
    replace_packages(attacked, lambda _data: shop.package(2))


@attack("wrong software", TransportError)
def _full_package_and_incremental_exchanged(attacked):
    packages = [shop.package(1), shop.package(1, 0)]
    replace_packages(attacked, lambda data: packages[data == packages[0]])


@attack("wrong software", PointerError)
def _a_pointer_into_another_region(attacked):
    link = shop.add_package(attacked.repository, 1)
    attacked.announce({**link, "p": link["p"].replace("/id/", "/eu/")})


@attack("wrong software", PointerError)
def _a_pointer_to_another_model(attacked):
    link = shop.add_package(attacked.repository, 1)
    attacked.announce({**link, "p": link["p"].replace("armani", "dior")})


@attack("wrong software", PointerError)
def _a_pointer_that_is_a_file(attacked):
    attacked.repository.signed["latest"].targets[POINTER].length = 7
    publish(attacked)

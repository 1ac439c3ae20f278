"""Examination of cloud clients: leaky clients and servers are found, clean ones are not."""

from dataclasses import replace

import pytest

from client_sim.lab.cloud import tampering
from client_sim.lab.cloud.double import FLAWS
from client_sim.lab.cloud.leaks import FAMILIES, HARMLESS, LEAKS
from client_sim.lab.cloud.lying_servers import LIES, examine_lies
from client_sim.lab.cloud.phone import OurPhone
from client_sim.lab.cloud.programme import examine, list_thin, load_client, run_matrix, try_leak
from client_sim.lab.cloud.server_checks import examine_server, try_server
from client_sim.lab.errors import ClientNotFoundError
from client_sim.lab.programme.result import Matrix, MatrixRow
from client_sim.lab.programme.runner import Mapper
from tests.cases import case

BELIEVED = {
    "rollback-taken": ("rollback", {"kept", "answered"}),
    "weaker-keys-taken": ("weaker keys", {"answered", "salts"}),
    "forged-policy": ("forged receipt", {"told", "answered"}),
    "other-text": ("another text", {"told", "answered"}),
    "forged-receipt": ("forged receipt", {"told", "answered"}),
    "foreign-account": ("another public key", {"told", "answered"}),
    "swapped-records": ("swap", {"told", "kept", "answered"}),
}
"""Clients that believe a lie of a server: the lie, and the methods that find it."""


def test_each_leaky_client_is_found_by_two_methods():
    """There are at least 60 of them, in all families."""
    assert len(LEAKS) >= 60
    assert {leak.family for leak in LEAKS} == FAMILIES.keys()
    for leak in LEAKS:
        if leak.id not in BELIEVED or leak.id == "rollback-taken":  # the others are tested below
            with case(leak.id):
                assert len(try_leak(leak, 0, 2).killed_by) >= 2


def test_harmless_clients_raise_no_alarm(monkeypatch):
    """Eight clients that differ without a leak; six of them are combined in one."""
    assert len(HARMLESS) == 8
    inside = [leak.detail for leak in HARMLESS if leak.place == "inside"]
    find = tampering.find_patches

    def find_all(details, *how):
        return [patch for detail in details.split() for patch in find(detail, *how)]

    monkeypatch.setattr(tampering, "find_patches", find_all)
    others = [leak for leak in HARMLESS if leak.place != "inside"]
    for leak in (*others, replace(HARMLESS[0], id="six", detail=" ".join(inside))):
        with case(leak.id):
            assert try_leak(leak, 0, None).findings == {}
    assert (len(inside), len(others)) == (6, 2)


def test_sample_has_one_client_of_each_family():
    """The seed determines which."""
    tried = []

    class Noting(Mapper):
        def map(self, _call, arguments):
            tried.extend(leak for leak, _, _ in arguments)
            return iter([examine(OurPhone, cases=0, parts=frozenset())] * len(arguments))

    matrix = run_matrix(Noting(None), 0, quick=True)
    assert [leak.family for leak in tried] == [*FAMILIES]
    assert len(list_thin(matrix)) == len(FAMILIES)


def test_client_that_one_method_found_is_lonely():
    """Two methods are needed."""
    rows = (MatrixRow("a", "off", "x", ("silence",)), MatrixRow("b", "off", "x", ("off", "equal")))
    assert list_thin(Matrix((), rows)) == ["a"]


def test_clients_are_loaded_by_name():
    """Hening's own, leaky ones by their id, and others by module and factory."""
    assert load_client("clean") is OurPhone
    assert load_client("client_sim.lab.cloud.phone:OurPhone") is OurPhone
    assert callable(load_client("imei-header"))
    for name in ("nobody", "client_sim.lab.cloud.phone:AGE"):
        with pytest.raises(ClientNotFoundError):
            load_client(name)


def test_phone_believes_no_lie():
    """It refuses each, or reports it to its owner."""
    assert list(examine_lies(OurPhone, LIES)) == []


def test_clients_that_believe_a_lie_are_found():
    """Each client of family `trust`, by two methods or more."""
    assert BELIEVED.keys() == {leak.id for leak in LEAKS if leak.family == "trust"}
    for client, (believed, methods) in BELIEVED.items():
        lies = tuple(lie for lie in LIES if lie.id == believed)
        with case(client):
            assert {method for method, _ in examine_lies(load_client(client), lies)} == methods


def test_each_leaky_server_is_found():
    """An honest one is not."""
    for flaw in FLAWS:
        with case(flaw):
            assert any(found for _, found in examine_server(flaw))
    assert try_server("").killed_by == ()

"""Servers that leak, and honest ones, as rows of the kill matrix."""

import pytest

from client_sim.lab.programme import execute
from client_sim.lab.programme.library import METHODS
from client_sim.lab.programme.runner import Mapper
from client_sim.lab.programme.server_trials import CHECKS, LEAKY, SERVERS, try_server
from tests.cases import case

NUMBERS = {server.id: number for number, server in enumerate(SERVERS)}


@pytest.mark.usefixtures("few_positions")
def test_checks_that_find_a_leaky_server():
    """Each leaky server is found by the check for its leak, an honest one by none."""
    for server, check in (
        *(("l57-address-only", "files"), ("l57-path-label", "metrics")),
        *(("l58-node-tag", "nodes"), ("clean-honest", None)),
    ):
        with case(server):
            killed = try_server(NUMBERS[server], 0)
            assert (check in killed) if NUMBERS[server] < LEAKY else (killed == ())
    assert NUMBERS["l58-node-tag"] < LEAKY <= NUMBERS["clean-honest"]
    assert set(CHECKS) <= set(METHODS)


def test_servers_are_rows_of_the_kill_matrix(monkeypatch):
    """A server that nothing finds survives; with one check the family is thin."""
    found, progress = [], []
    monkeypatch.setattr(execute, "load_library", lambda _name: ())
    monkeypatch.setattr(execute, "SERVERS", SERVERS[LEAKY - 1 : LEAKY + 1])
    monkeypatch.setattr(execute, "LEAKY", 1)
    monkeypatch.setattr(
        execute, "try_server", lambda number, _seed: tuple(found) if number == 0 else ()
    )
    for killed in ((), ("files",), ("files", "growth")):
        found[:], progress[:] = killed, ()
        matrix = execute.run_matrix(
            "probe",
            0,
            Mapper(None),
            lambda *done: progress.append(done),
            libraries=("ours",),
            quick=False,
        )
        with case(killed):
            (row,) = matrix.rows
            assert (row.family, row.killed_by) == ("L58", killed)
            assert row.not_asked == matrix.oracles[: -len(CHECKS)]
            assert [row.family for row in matrix.equivalents] == ["clean"]
            assert [row.family for row in matrix.survivors] == ([] if killed else ["L58"])
            assert matrix.thin == (() if len(killed) == 2 else ("L58",))
            assert matrix.oracles[-len(CHECKS) :] == CHECKS
            assert progress == [("mutants", 1, 2), ("mutants", 2, 2)]


def test_other_libraries_are_tried_without_servers(monkeypatch):
    """A sample of our own library includes one server of each family."""
    monkeypatch.setattr(execute, "load_library", lambda _name: ())
    matrix = execute.run_matrix(
        "probe", 0, Mapper(None), lambda *_: None, libraries=("their.module:CLIENTS",), quick=True
    )
    assert matrix.rows == ()
    assert not set(CHECKS) & set(matrix.oracles)
    monkeypatch.setattr(execute, "try_server", lambda _number, _seed: ())
    matrix = execute.run_matrix(
        "probe", 0, Mapper(None), lambda *_: None, libraries=("ours",), quick=True
    )
    assert [row.family for row in matrix.rows] == ["L57", "L58"]
    assert [row.family for row in matrix.equivalents] == ["clean"]

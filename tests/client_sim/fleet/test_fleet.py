"""Plans of a fleet and the jobs of its workers."""

import pytest

from client_sim.fleet.fleet import Plan, fit_plan, share_out
from client_sim.fleet.survey import Survey
from client_sim.fleet.target import Target
from tests.cases import case
from tests.client_sim.fleet.conftest import GROUP, PLAIN, START


def plan_jobs(workers, connections, address):
    """Return the plan for a server at `address`, and the workers' jobs."""
    target = Target("updates.hening.example", 443, address, tls=True, root=b"root")
    seen = Survey((GROUP,), (), {})
    plan = fit_plan(Plan(20_000, 60.0, 1.0, workers, 1, PLAIN, connections, False, 1), target)
    return plan, share_out(plan, target, seen, seen, START, is_real=True)


def test_limits_for_another_machine():
    """All workers together have 32 connections, including those of the real code."""
    for workers in (1, 2, 3, 16, 31, 33, 64):
        for connections in (1, 128):
            with case(workers, connections):
                plan, jobs = plan_jobs(workers, connections, "192.0.2.1")
                assert len(jobs) == plan.workers <= workers
                assert sum(job.behaviour.connections + 1 for job in jobs) <= 32
                assert min(job.behaviour.connections for job in jobs) >= 1
                assert sum(job.behaviour.polls_per_second for job in jobs) == pytest.approx(50)
                assert sum(job.count for job in jobs) == 20_000


def test_no_limits_for_this_machine():
    """Workers and connections are as planned, without a limit of the rate."""
    _, jobs = plan_jobs(64, 128, "127.0.0.1")
    assert len(jobs) == 64
    assert {(job.behaviour.connections, job.behaviour.polls_per_second) for job in jobs} == {
        (128, 0.0)
    }

"""`hening-device lab`: examine a client, explain a poll, audit a recording, search a server.

Exit status: 0 clean, 1 a leak or a bad input, 2 usage, 3 the environment failed.
"""

import click

from client_sim.lab.commands.audit import audit_command
from client_sim.lab.commands.clock import clock_command
from client_sim.lab.commands.cloud_command import cloud_command
from client_sim.lab.commands.explain import explain_command
from client_sim.lab.commands.mutants import mutants_command
from client_sim.lab.commands.record import record_command
from client_sim.lab.commands.run import run_command
from client_sim.lab.commands.server import server_command


@click.group()
def lab() -> None:
    """Prove what a phone's polling says about its owner."""


lab.add_command(run_command)
lab.add_command(explain_command)
lab.add_command(audit_command)
lab.add_command(record_command)
lab.add_command(server_command)
lab.add_command(mutants_command)
lab.add_command(clock_command)
lab.add_command(cloud_command)

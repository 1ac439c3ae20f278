"""Everything that can go wrong with a server or the way to it; a phone polls on as if nothing had.

The phone may notice, and end a poll early. It may not ask for anything else, ask again, or come
back at another time. When the fault is over, it recovers.
"""

from client_sim.lab.servers.fault import Fault
from client_sim.lab.servers.faults_answers import ANSWERS
from client_sim.lab.servers.faults_metadata import METADATA, make_signed_faults
from client_sim.lab.servers.faults_network import NETWORK
from client_sim.lab.servers.faults_packs import PACKS
from client_sim.lab.servers.repository import Repository


def make_faults(repository: Repository) -> tuple[Fault, ...]:
    """Return all faults; for some the repository signs what it should not."""
    return (*NETWORK, *ANSWERS, *METADATA, *PACKS, *make_signed_faults(repository))

"""How many descriptors this process may have: one for each connection, and shells give 1,024."""

import resource


def raise_descriptor_limit() -> None:
    """Take as many as the hard limit allows; processes that begin later inherit that."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == hard:  # as a service manager sets it, who may have forbidden to change it
        return
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

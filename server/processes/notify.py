"""Tells the service manager that this server is ready or stops (sd_notify(3), `Type=notify`)."""

import socket


def notify(address: str, state: str) -> None:
    """Send `state`, such as READY=1, to NOTIFY_SOCKET's `address`; an empty one is nobody.

    A manager that is not there is no error: it will find out by itself.
    """
    if not address.startswith(("/", "@")):
        return
    name = f"\0{address[1:]}" if address.startswith("@") else address
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as one:
        try:
            one.connect(name)
            one.send(state.encode())
        except OSError:
            return

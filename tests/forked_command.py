"""Has `tests.forked` run one of the three programs, and exits with its status.

A script, started with the socket, the name of the program and its arguments. The program runs in
the state of this process: folder, environment, umask and open descriptors. Signals that end a
program are passed on. The script imports only modules built into Python, which costs 20 ms of
processor time instead of up to a second.
"""

import _signal
import _socket
import os
import sys

place, program, *arguments = sys.argv[1:]


def is_inherited(number):
    """Return whether a descriptor was inherited from the caller."""
    try:
        return os.get_inheritable(number)
    except OSError:  # that of the folder, which was read
        return False


numbers = [each for each in map(int, os.listdir("/proc/self/fd")) if is_inherited(each)]  # noqa: PTH208 - pathlib costs more than the rest
door = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
door.connect(place)
umask = os.umask(0o077)
os.umask(umask)
folder = os.getcwd()  # noqa: PTH109 - pathlib costs more than the rest
there = " ".join(map(str, numbers))
words = [program, folder, str(umask), there, str(len(arguments)), *arguments]
message = b"\0".join(
    [*map(os.fsencode, words), *(b"%b=%b" % variable for variable in os.environb.items())]
)
rights = b"".join(number.to_bytes(4, sys.byteorder) for number in numbers)
door.sendmsg([message], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, rights)])
child = int(door.recv(16))


def pass_on(number, _frame):
    """Send the command the signal that this process received."""
    os.kill(child, number)


for ending in (_signal.SIGTERM, _signal.SIGINT, _signal.SIGHUP):
    _signal.signal(ending, pass_on)
status = int(door.recv(16) or b"70")
if status < 0:  # ended by a signal
    _signal.signal(-status, _signal.SIG_DFL)
    os.kill(os.getpid(), -status)
sys.exit(status)

"""The processes of one device plane: listening sockets, workers and their supervision.

The main process binds the `sockets`, or takes those of systemd, and starts workers. It sends each
new snapshot to them as a difference to the previous one (`delta`, `messages`). `supervisor` keeps
the workers alive; `child` is its view of one of them. `worker` is the program of a worker.
`serving` serves phones, in workers, or in a main process without workers. `priority` gives workers
a higher CPU priority than the main process.
"""

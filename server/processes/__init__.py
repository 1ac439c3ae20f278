"""The processes of one device plane: listening sockets, workers and their supervision.

The main process binds the `sockets`, starts workers and sends each new snapshot to them, as a
difference to the last one (`delta`, `messages`). `supervisor` keeps the workers alive through
`child`; `worker` is one of them, and both it and a main process without workers serve phones by
`serving`. systemd may pass the sockets; `priority` lets workers go first.
"""

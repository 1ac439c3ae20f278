"""hening-server: publishes signed updates and public content, and learns nothing about who asks.

One program in several processes. A release comes in as a signed bundle and goes out as files that
phones poll. Read in this order:

    core/       formats and rules, pure; the signer imports it, too
    storage/    the state folder, blobs in a folder or in S3, the database and its migrations
    publisher/  from a bundle or a due change to published files, in seven steps
    release/    the control plane: uploads, submissions, rollouts, accounts, and their HTTP API
    console/    the same operations as pages
    http/       the connection engine of the public planes
    device/     what phones get
    compat/     the same for existing Updater apps
    processes/  the workers that serve phones
    keys/       the process that holds the online keys
    cloud/      the owner's backup, a server of its own
    cli/        one module a command; it starts `app`, which runs all of it in one process

The modules of this folder put the planes together: `app` and `bootstrap`; `device_serving` and
`snapshot_watch`; `dialect_serving` and `dialect_export`; `publish_loop`; `urgent` on a thread of
its own; `health`. What they share: `settings` and `settings_checks`, `places` and `place_options`
(default folders), `alarms`, `observability` (logs), `tables` (for people).
"""

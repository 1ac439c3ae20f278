"""hening-server: publishes signed updates and public content, and learns nothing about its clients.

It is one program in several processes. A release arrives as a signed bundle, and is published as
files that phones poll. Read the packages in this order:

    core/       formats and rules, pure; the signer imports it, too
    storage/    the state folder, blobs in a folder or in S3, the database and its migrations
    publisher/  from a bundle or a due change to published files, in seven steps
    release/    the control plane: uploads, submissions, rollouts, accounts, and their HTTP API
    console/    the same operations as pages
    http/       the connection engine of the public planes
    device/     the plane that answers phones
    compat/     the plane that answers existing Updater apps
    processes/  the workers that serve phones
    keys/       the process that holds the online keys
    cloud/      the owner's backup, a separate server
    cli/        a module for each command; it starts `app`, which runs all planes

The modules of this folder connect the packages: `app`, `full_node` and `bootstrap`;
`device_serving` and `snapshot_watch`; `dialect_serving` and `dialect_export`; `publish_loop`;
`tree_watch` and `rotation` (sites of several machines); `urgent`, in a separate thread; `health`;
`download_recorder`; `owner_page`. They share `settings` and `settings_checks`, `places` and
`place_options` (default folders), `stores`, `alarms`, `observability` (logs) and `tables` (for
people).
"""

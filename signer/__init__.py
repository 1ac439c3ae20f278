"""hening-signer: the offline tool with which release engineers make, inspect and sign releases.

It reads OTA packages, content packs and people's decisions, and writes signed metadata as a bundle
for the server. Read in this order:

    ota/         inspects an OTA zip: its facts, or a refusal
    release/     plans and signs the next version of a model's role from inspected packages
    content/     builds and checks packs of public content
    ceremony/    decides which keys sign which role
    proposal/    changes that several people sign
    keys/        key files, tokens and key folders
    audit/       audits the transparency log
    remote/      submits bundles over the server's API
    quickstart/  sets up keys, a signed root and a server state, for one person
    cli/         the commands

`work_folder` keeps every signed role version, `signing` signs the next one, `bundle_writer` writes
it for the server, and `durable` writes files so that a power cut loses nothing. `cloud_policy`
checks and signs policies of cloud regions.
"""

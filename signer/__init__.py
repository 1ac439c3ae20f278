"""hening-signer: the offline tool with which release engineers make, inspect and sign releases.

Packages, packs and decisions of people come in; signed metadata goes out, as a bundle for the
server. Read in this order:

    ota/         what an OTA zip contains, and whether it is sound
    release/     the next version of a model's role, from such packages
    content/     packs of public content
    ceremony/    who may sign what
    proposal/    changes that several people sign
    keys/        key files, tokens, folders of them
    audit/       the reader of the transparency log
    remote/      submission over the server's API
    quickstart/  all of it once, for one person
    cli/         the commands

`work_folder` keeps every role version that was signed, `signing` signs the next, `bundle_writer`
writes it for the server, `durable` writes files so that a power cut loses nothing. `cloud_policy`
checks and signs policies of cloud regions.
"""

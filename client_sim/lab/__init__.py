"""The privacy instrument: observations, oracles, verdict.

A client and a seed come in; a verdict goes out, with evidence for each finding. Read in this order:

    trace/           everything that leaves a client, recorded
    servers/         what answers it, and how that can fail
    scenarios/       what happens to a phone and its owner
    programme/       which runs are made, and what is asked of them
    oracles/         the judges
    report/          the verdict, for people and programs
    captures/        the same judges on recordings of real phones
    server_side/     the same question to a server: what did it keep?
    clients/         clients that can be examined by name
    mutants/, server_mutants/  clients and servers that leak, to try the judges on
    commands/        `hening-device lab`

Claims N1 to N4 and the tables that they are judged by are in docs/PRIVACY.md.
"""

"""The privacy instrument: observations, oracles, verdict.

A client and a seed come in; a verdict goes out, with evidence for each finding. Read in this order:

    trace/           records everything that leaves a client
    servers/         the servers that answer the client, and their faults
    scenarios/       events of a phone and its owner
    programme/       which runs are made, and which questions they answer
    oracles/         the judges
    report/          the verdict, for people and programs
    captures/        applies the same judges to recordings of real phones
    server_side/     searches what a server keeps of its requests
    cloud/           examines the client of a phone's backup
    clients/         clients that can be examined by name
    mutants/, server_mutants/  clients and servers that leak, to test the judges
    commands/        `hening-device lab`

docs/PRIVACY.md defines claims N1 to N4 and the tables by which they are judged.
"""

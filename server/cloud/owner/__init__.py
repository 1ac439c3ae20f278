"""The account door: what an owner's device asks of its account, in JSON.

    routes    `/account/1/`: sessions, tokens of programs, usage

Source: docs/FORMATS.md section 17.
"""

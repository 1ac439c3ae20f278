"""The demo: keys, releases, phones, attacks and the privacy lab, all on one machine.

Read `story`, which has the chapters, then `stage`, which runs the programs.
"""

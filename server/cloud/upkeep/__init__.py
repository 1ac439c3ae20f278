"""What is done by itself, and when: what the region's law asks for, and what is needed no more.

    work     what a step is given, and for how long things are kept
    rows     sessions, revisions, tombstones, chunks and bodies that are needed no more
    rounds   the list of all steps, a round of them under a lease, and a round after another

Each step removes a few rows in a transaction of its own, so that it may be cut off anywhere and
others go on writing meanwhile. A body goes after its row: a crash leaves a body too many.
"""

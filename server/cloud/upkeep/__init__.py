"""Periodic maintenance: tasks that the policy requires, and removal of old data.

    rounds   the list of all steps, and rounds of them under a lease
    rows     remove expired sessions and old revisions, tombstones, chunks and bodies

Each step removes a few rows per transaction. So it can be interrupted at any time, and other
writers are not blocked for long. A body is removed after its row, so a crash leaves at most an
unused body.
"""

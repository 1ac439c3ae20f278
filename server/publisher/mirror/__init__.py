"""Copies of what phones may ask for, for other web servers and CDNs.

The published tree comes in; a `folder` or a `bucket` has it in the order of `steps`, which says
what a crash after each leaves behind.
"""

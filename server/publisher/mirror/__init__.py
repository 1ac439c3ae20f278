"""Mirrors: copies of the files that phones may request, for other web servers and CDNs.

Input: the public tree and the blobs. Output: a `folder` or a `bucket`, written in the order of
`steps`, which says what a crash after each step leaves behind.
"""

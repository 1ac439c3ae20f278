"""Expiry: the lifetimes of roles, the check of the machine's clock, alarms and metrics.

Input: the public state and the machine's time. Output: alarms, metrics, and the time to sign with.
Read `alarms` and `clock`, then `monitor`, which checks everything regularly, and `metrics`.
"""

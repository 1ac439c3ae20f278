"""What time does to a site: which roles expire, whether the clock can be right, who is told.

What is public and the machine's time come in; findings, metrics and an alarm that stops signing go
out. Read `alarms`, `clock`, then `monitor`, which looks at all of it regularly,
and `metrics`.
"""

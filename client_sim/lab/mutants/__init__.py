"""Clients that leak, to try the judges on; they share nothing with a judge.

`library` lists all by family; `mutant` is what each consists of, `spy` and `hearing` what it draws
on, `around` and `beneath` how the real client is made to leak. `telling` has the plain ways out;
the other modules are families, each with its numbers of docs/PRIVACY.md. `equivalents` leak
nothing.
"""

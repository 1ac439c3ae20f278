"""Mutation tests of the lab's judges: a change that no test detects is a gap in the tests."""

"""Mutation of the lab's judges: a change to one of them that no test notices is a hole."""

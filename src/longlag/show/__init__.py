"""Sequences of a task as a person would want to see them."""

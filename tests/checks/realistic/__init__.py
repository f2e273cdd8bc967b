"""Flows of several shapes in which nothing is wrong: whatever is said of them is said without cause."""

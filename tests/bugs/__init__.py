"""Bugs put into a sample application on purpose, to see whether its tests, written with the kit, find them."""

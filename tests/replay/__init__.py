"""Recorded conversations played again, on every backend: real dialogues over several services, and gold tasks.

`dialogues` and `tasks` make a flow and a script from recorded rows; `script` says what a script is; `replay` plays one
on a backdrop of the contract and returns all that did not come out as it was recorded.
"""

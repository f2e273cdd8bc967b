"""One contract over all backends: each keeps the rules on the wire, spoken through the real SDK to a server that locks.

`forms` says which backends there are and what each must be able to do; `backdrop` is where a scenario plays. The
scenarios stand in `test_*`, one file for each letter of the rules.
"""

"""A thread under way: decide by the flow and the core, append to the journal, then do what is outstanding.

`turn` and `judge` decide without I/O; `driver` is the shell around them, and the rest is what it is made of. `host` is
the process that drives threads, `hosted` one thread of it.
"""

"""Software that others wrote, as clients of the sandbox and as servers under the backends.

The clients run in CI, in a virtual environment of their own (`.clients`), so that what they need cannot be what makes
our tests pass. The servers are programs to be started by hand: `python -m tests.interop.NAME`.
"""

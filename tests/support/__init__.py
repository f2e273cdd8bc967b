"""What the tests of threads share: one flow, models that wait, and a harness that runs a scenario over both forms."""

"""The contract of stores, and SQL."""

"""The flows that come along."""

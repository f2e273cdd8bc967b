"""The writer and the critic: two peers that take turns on one text until it is approved."""

from flows.writer_critic.flow import flow
from flows.writer_critic.rules import rules

__all__ = ["flow", "rules"]

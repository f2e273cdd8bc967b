"""Model objects for the embedded backend: scripts for tests, a flow's offline rules, and whatever has `answer`."""

from handoff.errors import ScriptMismatch
from handoff.models.base import Answer, Answering, Model
from handoff.models.rules import RuleModel, Said
from handoff.models.scripted import ScriptedModel, Step, call

__all__ = ["Answer", "Answering", "Model", "RuleModel", "Said", "ScriptMismatch", "ScriptedModel", "Step", "call"]

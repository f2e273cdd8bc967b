"""What a command lends where nothing is given: a copy of the flow's sample data, never the sample itself."""

from __future__ import annotations

from tests.support.cli import Commands, handoff

__all__ = ["handoff"]  # the fixture

COUNTS = '''
from dataclasses import dataclass
from pathlib import Path

from handoff import Deps, Flow, Pending, RuleModel, call

@dataclass
class Counter(Deps):
    file: Path

    @classmethod
    def sample(cls, directory):
        if directory.name == "bad":
            raise OSError("no room")
        directory.mkdir(exist_ok=True)
        file = directory / "count.txt"
        if not file.exists():
            file.write_text("0")
        return cls(file)

def build(name):
    flow = Flow(name, deps=Counter)
    only = flow.assistant("only", instructions="Count.")

    @only.tool()
    def count(counter: Counter) -> str:
        """Count."""
        counter.file.write_text(str(int(counter.file.read_text()) + 1))
        return counter.file.read_text()

    @only.tool(approval=True)
    def double(counter: Counter) -> str:
        """Double."""
        counter.file.write_text(str(int(counter.file.read_text()) * 2))
        return counter.file.read_text()

    rules = RuleModel(flow)
    rules.when(only, "count")(count_rule)
    rules.when(only, "double")(double_rule)
    return flow

def count_rule(match):
    """count."""
    return call("count")

def double_rule(match):
    """double."""
    return call("double")

good, bad = build("good"), build("bad")
'''


def test_without_a_store_every_command_gets_a_fresh_copy(handoff: Commands) -> None:
    """The copy goes when the command ends, and is said to."""
    handoff.write("counts.py", COUNTS)
    before = sorted(handoff.directory.iterdir())

    for _ in range(2):
        found = handoff("run", "counts.py:good", "count", "--json")

        assert ["1"] == [one["output"] for one in found.told("tool.finished")]
        assert "good works on a copy of its sample data that goes when this ends; --store FILE keeps it" in found.err
    assert before == [path for path in sorted(handoff.directory.iterdir()) if path.name != "__pycache__"]


def test_with_a_store_the_copy_lies_beside_it_and_is_found_again(handoff: Commands) -> None:
    """What one command did the next one finds, a decision included."""
    handoff.write("counts.py", COUNTS)
    for message in ("count", "count", "double"):
        handoff("run", "counts.py:good", message, "--store", handoff.store, "--thread", "t")
    handoff("threads", "approve", "t", "--store", handoff.store, "--flow", "counts.py:good")

    assert "4" == (handoff.directory / "threads.db.good" / "count.txt").read_text()


def test_what_is_given_is_what_is_lent(handoff: Commands) -> None:
    """With --dep there is no copy."""
    handoff.write("counts.py", COUNTS)
    own = handoff.write("own.txt", "41")
    found = handoff("run", "counts.py:good", "count", "--dep", f"file={own}", "--store", handoff.store)

    assert (0, "42", False) == (found.code, own.read_text(), (handoff.directory / "threads.db.good").exists())


def test_a_sample_that_cannot_be_copied_is_a_matter_of_configuration(handoff: Commands) -> None:
    """Nothing starts; the text says what could not be copied where."""
    handoff.write("counts.py", COUNTS)
    found = handoff("run", "counts.py:bad", "count")

    assert 3 == found.code
    assert "the sample data of bad cannot be copied to " in found.err
    assert "no room" in found.err

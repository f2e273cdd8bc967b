"""Static verification: what can be known to be wrong with a flow before it runs.

It looks at the declaration and asks guards about made-up metadata; no tool runs, no model is called. What cannot be
decided is counted as unknown and never guessed.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from handoff.checks.bounds import check_bounds
from handoff.checks.findings import CODES, Finding, Hop, Severity, Unknown
from handoff.checks.guards import check_guards
from handoff.checks.ignoring import is_ignored
from handoff.checks.left_over import check_left_over
from handoff.checks.metadata import check_metadata
from handoff.checks.modules import check_modules
from handoff.checks.report import Report
from handoff.checks.rounds import check_rounds
from handoff.checks.siblings import check_siblings
from handoff.checks.states import analyse
from handoff.checks.structure import check_structure
from handoff.checks.templates import needs_of
from handoff.checks.together import check_together
from handoff.checks.tools import check_tools
from handoff.checks.words import check_words
from handoff.declaration.flow import Flow
from handoff.declaration.place import Place
from handoff.errors import DefinitionError

__all__ = ["CODES", "Finding", "Hop", "Report", "Severity", "Unknown", "check", "refused"]


def check(flow: Flow[Any, Any], *, given: Collection[str] = ()) -> Report:
    """Verify a flow. Freezes it.

    Args:
        flow: the flow.
        given: metadata fields that every thread is opened with.

    Raises:
        ValueError: a name in `given` is no field of the flow's metadata.
    """
    for name in given:
        if name not in flow.metadata.model_fields:
            raise ValueError(f"{flow.metadata.__name__} has no field {name!r} to be given")
    try:
        flow.freeze()
    except DefinitionError as error:
        return refused(flow.name, error)
    analysis = analyse(flow, given)
    shared = ((needs_of(flow.instructions), flow.place),) if flow.instructions is not None else ()
    templates = {
        name: (*shared, (needs_of(one.instructions), one.place)) if one.instructions is not None else shared
        for name, one in flow.assistants.items()
    }
    tools = tuple({id(tool): tool for name in flow.assistants for tool in flow.tools_of(name).values()}.values())
    rounds = tuple(check_rounds(analysis))
    endless = any(one.code in ("trap", "endless-handoffs") for one in rounds)
    found = (
        *check_structure(analysis, templates),
        *rounds,
        *check_guards(analysis),
        *check_metadata(analysis, templates, tools),
        *check_left_over(analysis, templates),
        *check_siblings(analysis, tools),
        *check_tools(analysis, templates, tools),
        *check_together(analysis, templates),
        *check_words(analysis, tools),
        *check_modules(flow),
        *check_bounds(analysis, endless),
    )
    barred = {
        one.path[-1].dest for one in found if isinstance(one, Finding) and one.code == "guard-bars-tools" and one.path
    }
    findings = sorted(
        dict.fromkeys(one for one in found if isinstance(one, Finding) and not _follows(one, barred)),
        key=lambda one: (one.severity.value, one.place.file, one.place.line, one.code, one.problem),
    )
    told = tuple(one for one in findings if not is_ignored(one))
    unknown = tuple(dict.fromkeys(one for one in found if isinstance(one, Unknown)))
    return Report(flow.name, told, unknown, analysis.followed, len(findings) - len(told))


def _follows(finding: Finding, barred: Collection[str]) -> bool:
    """Whether a tool is hardly offered only because a guard that is told of already bars it."""
    return finding.code == "hardly-offered" and bool(finding.path) and finding.path[-1].dest in barred


def refused(flow: str, error: DefinitionError) -> Report:
    """The report about a flow whose declaration was refused.

    Args:
        flow: what it is called.
        error: the refusal.
    """
    finding = Finding(
        "definition-refused",
        error.problem,
        "Mend the declaration; the rest is checked once the flow can be loaded",
        Place(error.file, error.line),
    )
    return Report(flow, (finding,))

"""`handoff cover`: how much of a flow the threads of a store have exercised, or scripts that are played for it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from handoff import ConfigurationError, Flow, MemoryStore, SystemClock, ThreadUnknown
from handoff.cli.exits import Exit, UsageRefused
from handoff.cli.loading import load_flow
from handoff.cli.printing import notice, write, write_json
from handoff.cli.talking import Options, play_script, store_at
from handoff.diagram import form_of, render
from handoff.testing.coverage import coverage_of, required, table
from handoff.testing.recording import Recorder, record_journal


@dataclass(frozen=True, slots=True)
class Measure:
    """What `cover` is given."""

    #: The flow, what its tools borrow, who runs the model, the store, and whether the result is printed as JSON.
    options: Options
    #: Ids of the threads to be looked at; none for all of this flow, or for those the scripts make.
    threads: Sequence[str] = ()
    #: Files of user messages; each is played on a thread of its own before anything is measured.
    scripts: Sequence[Path] = ()
    #: Each a percentage of transitions, or `KIND=PERCENT`.
    fail_under: Sequence[str] = field(default_factory=list[str])
    #: Where the flow is drawn with what was missed in red; None for nowhere.
    diagram: Path | None = None


def cover(measure: Measure) -> Exit:
    """Show what the threads covered, and name what they missed.

    Args:
        measure: what is measured.

    Returns:
        `Exit.FAILED` if less was covered than is required, or a script was not played to its end.

    Raises:
        UsageRefused: an option cannot work.
        ThreadUnknown: the store has no such thread of this flow.
        ConfigurationError: the diagram cannot be drawn here, or there is no backend.
    """
    options = measure.options
    if options.store is None and not measure.scripts:
        raise UsageRefused("cover measures threads: give --store FILE, or --script FILE to play one")
    if options.store is not None and not measure.scripts and not options.store.is_file():
        raise UsageRefused(f"--store {options.store}: there is no such file, and no --script to make one")
    try:
        least = required(measure.fail_under)
        form = None if measure.diagram is None else form_of(measure.diagram)
    except ConfigurationError as error:
        raise UsageRefused(str(error)) from error
    flow = load_flow(options.flow)
    recorder = Recorder()
    ended, count = _recorded(recorder, flow, measure)
    if ended is Exit.INTERRUPTED:
        return ended
    coverage = coverage_of(flow, recorder.record)
    if options.json:
        write_json(coverage.as_json())
    else:
        where = "scripts" if options.store is None else options.store
        write(f"{flow.name}: {count} thread{'s' * (count != 1)} of {where}\n")
        write("".join(f"{line}\n" for line in table(coverage)))
    if measure.diagram is not None and form is not None:
        measure.diagram.write_text(render(coverage.diagram(flow), form), encoding="utf-8")
    short = coverage.below(least)
    for sentence in short:
        notice(sentence)
    return Exit.FAILED if short else ended


def _recorded(recorder: Recorder, flow: Flow[Any, Any], measure: Measure) -> tuple[Exit, int]:
    """Play the scripts and note what the threads did; return how that ended, and how many threads there were."""
    path = measure.options.store
    memory = None if path is not None else MemoryStore()
    played: dict[str, str] = {}
    ended = Exit.DONE
    for script in measure.scripts:
        name = SystemClock().new_id()
        store = store_at(path) or memory
        assert store is not None
        code = play_script(replace(measure.options, thread=name), script, store)
        if code is Exit.INTERRUPTED:
            return code, 0
        if code is not Exit.DONE:
            notice(f"{script} was not played to its end")
            ended = code
        played[name] = script.stem
    opened = store_at(path) or memory
    assert opened is not None
    with closing(opened):
        own = [name for name, summary in opened.threads() if summary.flow == flow.name]
        for name in measure.threads:
            if name not in own:
                raise ThreadUnknown(name)
        chosen = [*measure.threads, *played] or own
        for name in chosen:
            recorder.test = played.get(name, name)
            record_journal(recorder, flow, opened.journal(name))
    return ended, len(chosen)

"""The table of a flow that all pictures are written from, the way of a thread in it, and `handoff graph`."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from flows.site_editor import flow as site_editor
from handoff import ConfigurationError, Flow, Metadata, SqlStore
from handoff.cli.loading import load_flow
from handoff.diagram import FORMS, Arrow, Box, Diagram, along, diagram_of, render
from handoff.sync import Threads
from handoff.testing import Talk
from tests.support.cli import Commands, handoff

__all__ = ["handoff"]  # the fixture

DOCS = Path(__file__).parents[2]


class Draft(Metadata):
    text: str | None = None


def unfinished(draft: Draft) -> bool:
    """There is nothing to finish."""
    return draft.text is not None


flow = Flow("house", metadata=Draft)
writer = flow.assistant("writer", description="Writes.", instructions="Write.")
critic = flow.assistant("critic", instructions="Judge.")
printer = flow.assistant("printer", instructions="Print.")


@writer.tool(to=printer, approval=True)
def send() -> str:
    """Send it to the printer."""
    return "sent"


@writer.tool(sets="text")
def write(text: str) -> str:
    """Write it down."""
    return text


@printer.tool(to=flow.back)
def give_back() -> str:
    """Give it back."""
    return "back"


@printer.tool(to=flow.end, allow=unfinished)
def finish() -> str:
    """Finish."""
    return "done"


writer.then(critic)
critic.then(writer.when(unfinished, times=3))
printer.after(timedelta(hours=1, minutes=30), to=writer)


def arrow(key: str, diagram: Diagram | None = None) -> Arrow:
    """The arrow of a transition."""
    return next(one for one in (diagram or diagram_of(flow)).arrows if one.transition == key)


def test_every_assistant_has_a_box_and_the_end_too() -> None:
    """Boxes stand in the order of declaration; the first is marked as the start, `end` as the end."""
    boxes = diagram_of(flow).boxes

    assert ["writer", "critic", "printer", "end"] == [box.name for box in boxes]
    assert ["writer"] == [box.name for box in boxes if box.initial]
    assert ["end"] == [box.name for box in boxes if box.end]


def test_a_flow_without_an_end_shows_none() -> None:
    """The end is drawn only where a transition leads there."""
    assert all(not box.end for box in diagram_of(site_editor).boxes)


def test_an_assistant_whose_reply_always_hands_on_does_not_wait() -> None:
    """The writer hands every reply to the critic, who may rest, because its `then` has conditions."""
    assert ["critic", "printer"] == [box.name for box in diagram_of(flow).boxes if box.waits]


def test_an_assistant_that_hands_on_a_few_times_waits_in_the_end() -> None:
    """A `then` that may be taken three times leaves the fourth reply to the user."""
    counted = Flow("counted")
    one, other = counted.assistant("one", instructions=""), counted.assistant("other", instructions="")
    one.then(other.when(times=3))

    assert [("one", True), ("other", True)] == [(box.name, box.waits) for box in diagram_of(counted).boxes]


@pytest.mark.parametrize("shown", [flow, site_editor], ids=lambda one: one.name)
def test_every_transition_has_an_arrow(shown: Flow[Metadata]) -> None:
    """The arrows are the transitions that the Machine decides by, in its order."""
    expected = [(one.key, one.source, one.dest) for one in shown.transitions]

    assert expected == [(one.transition, one.source, one.dest) for one in diagram_of(shown).arrows]


@pytest.mark.parametrize(
    ("key", "label"),
    [
        pytest.param("writer.send->printer", "send [approval]", id="approval"),
        pytest.param("printer.give_back->back:writer", "give_back [back]", id="back"),
        pytest.param("printer.finish->end", "finish [unfinished]", id="allow"),
        pytest.param("writer.then->critic", "then", id="no-condition"),
        pytest.param("critic.then->writer", "then [unfinished, at most 3]", id="guard-and-times"),
        pytest.param("printer.after:5400->writer", "after 1 h 30 min", id="silence"),
    ],
)
def test_a_label_says_trigger_and_conditions(key: str, label: str) -> None:
    """An arrow is labelled with its trigger, and in brackets what has to hold."""
    assert label == arrow(key).label()


@pytest.mark.parametrize(
    ("delay", "label"),
    [
        pytest.param(timedelta(days=2), "after 2 d", id="days"),
        pytest.param(timedelta(days=1, minutes=30), "after 1 d 30 min", id="day-and-minutes"),
        pytest.param(timedelta(seconds=0.5), "after 0.5 s", id="half-a-second"),
    ],
)
def test_a_silence_is_spelled_as_people_say_it(delay: timedelta, label: str) -> None:
    """Days, hours, minutes and seconds, each only where there are some."""
    waiting: Flow[Any] = Flow("waiting")
    first = waiting.assistant("first", instructions="Ask.")
    first.after(delay, to=waiting.assistant("second", instructions="Answer."))

    assert [label] == [one.label() for one in diagram_of(waiting).arrows]


def test_a_thread_shows_where_it_is_and_how_it_came_there() -> None:
    """The active assistant, the transition just taken, and how often each one was taken, come from the journal."""
    with Talk(flow, metadata=Draft(text="x")) as talk:
        talk.user("go")
        for _ in range(2):
            talk.says("a draft", by=writer)
            talk.says("not bad", by=critic)
        talk.says("a draft", by=writer)
        talk.cancel()
        shown = along(diagram_of(flow), talk.store.journal("talk"))

    assert ["critic"] == [box.name for box in shown.boxes if box.active]
    assert ["writer.then->critic"] == [one.transition for one in shown.arrows if one.latest]
    assert (3, 2, 0) == tuple(
        arrow(key, shown).taken for key in ("writer.then->critic", "critic.then->writer", "writer.send->printer")
    )
    assert "then ×3" == arrow("writer.then->critic", shown).label()


def test_a_thread_that_has_not_moved_shows_where_it_starts() -> None:
    """Before the first transition the first assistant is active, and nothing was just taken."""
    with Talk(flow) as talk:
        shown = along(diagram_of(flow), talk.store.journal("talk"))

    assert ["writer"] == [box.name for box in shown.boxes if box.active]
    assert [] == [one for one in shown.arrows if one.latest or one.taken]


def test_a_thread_of_another_flow_is_refused() -> None:
    """A thread's way is drawn into its own flow only."""
    with Talk(site_editor, deps=site_editor.deps(Path())) as talk, pytest.raises(ConfigurationError, match="site_ed"):
        along(diagram_of(flow), talk.store.journal("talk"))


def test_transitions_that_are_not_declared_any_more_are_counted() -> None:
    """A thread's way through an older flow is shown as far as the flow still has it."""
    with Talk(flow) as talk:
        talk.user("go")
        talk.says("a draft", by=writer)
        talk.says("fine", by=critic)
        newer = Flow("house", metadata=Draft)
        newer.assistant("critic", instructions="Judge.")
        shown = along(diagram_of(newer), talk.store.journal("talk"))

    assert 1 == shown.gone
    assert ["critic"] == [box.name for box in shown.boxes if box.active]


def test_what_is_marked_is_red() -> None:
    """Assistants and transitions can be marked, and all others are not."""
    marked = diagram_of(flow).marked(["critic"], ["writer.then->critic"])

    assert ["critic"] == [box.name for box in marked.boxes if box.missed]
    assert ["writer.then->critic"] == [one.transition for one in marked.arrows if one.missed]


def test_the_text_is_a_table_to_be_read() -> None:
    """Each assistant stands with its marks, and below it where it goes."""
    shown = Diagram(
        "house",
        (Box("writer", "Writes.", initial=True, waits=True, active=True), Box("end", end=True, missed=True)),
        (Arrow("k", "writer", "end", "send", "ready", taken=2, latest=True),),
    )

    assert """house

writer  (starts here, waits for the user, active)
  Writes.
  send [ready] ×2  → end  (just taken)

end  (the end, missed)
""" == render(shown, "text")


def test_the_json_is_the_table() -> None:
    """A program reads the same table that the pictures are written from."""
    found = json.loads(render(diagram_of(flow), "json"))

    assert [one.transition for one in diagram_of(flow).arrows] == [one["transition"] for one in found["arrows"]]
    assert {"name": "writer", "description": "Writes.", "initial": True, "waits": False} == {
        name: found["boxes"][0][name] for name in ("name", "description", "initial", "waits")
    }


def test_an_unknown_form_is_refused_by_name() -> None:
    """The error lists the forms there are."""
    with pytest.raises(ConfigurationError, match="mermaid, dot, svg, text, json"):
        render(diagram_of(flow), "png")  # type: ignore[arg-type]


def test_an_svg_without_graphviz_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where `dot` is missing, the error names the package, and the form that needs none."""
    monkeypatch.setenv("PATH", "")

    with pytest.raises(ConfigurationError, match=r"graphviz.*-f mermaid"):
        render(diagram_of(flow), "svg")


@pytest.mark.parametrize("page", ["README.md", "docs/diagrams.md"])
def test_the_documentation_shows_the_site_editor_as_it_is(page: str) -> None:
    """The picture on the page is what `handoff graph site_editor` writes now."""
    assert f"```mermaid\n{render(diagram_of(site_editor))}```" in (DOCS / page).read_text()


@pytest.mark.parametrize("form", [one for one in FORMS if one != "svg"])
def test_the_command_writes_the_picture(handoff: Commands, form: str) -> None:
    """`handoff graph` writes any form to standard output."""
    found = handoff("graph", "site_editor", "--format", form)

    assert (0, render(diagram_of(site_editor), form)) == (found.code, found.out)  # type: ignore[arg-type]


def test_the_command_draws_mermaid_by_default(handoff: Commands) -> None:
    """Without `-f` the form is Mermaid."""
    assert render(diagram_of(site_editor)) == handoff("graph", "site_editor").out


def test_the_command_shows_a_stored_thread(handoff: Commands, tmp_path: Path) -> None:
    """With a thread and its store the active assistant is shown."""
    path = tmp_path / "threads.db"
    with Threads(site_editor, deps=site_editor.deps(tmp_path), store=SqlStore(path)) as threads:
        threads.open("t1")
    found = handoff("graph", "site_editor", "--thread", "t1", "--store", str(path))

    assert (0, True) == (found.code, "class a0 active" in found.out)


@pytest.mark.parametrize(
    ("form", "encoding"),
    [
        pytest.param("text", "ascii", id="text-as-the-terminal-takes-it"),
        pytest.param("mermaid", "utf-8", id="mermaid-as-a-file"),
        pytest.param("dot", "utf-8", id="dot-as-a-file"),
    ],
)
def test_the_command_writes_whatever_the_terminal_s_encoding(tmp_path: Path, form: str, encoding: str) -> None:
    """Pictures are UTF-8 in a file; what a terminal has no sign for is written as its number."""
    (tmp_path / "odd.py").write_text(
        "from handoff import Flow\n\nflow = Flow('odd')\n"
        "first = flow.assistant('first', instructions='Ask.', description='עברית 🙂')\n"
        "second = flow.assistant('second', instructions='Answer.')\nfirst.then(second.when(lambda metadata: True))\n"
        ""
    )
    done = subprocess.run(
        [sys.executable, "-m", "handoff.cli", "graph", "odd.py", "-f", form],
        cwd=tmp_path,
        capture_output=True,
        check=True,
        env={"PYTHONIOENCODING": "ascii", "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    expected = render(diagram_of(load_flow(str(tmp_path / "odd.py"))), form)  # type: ignore[arg-type]

    assert expected.encode(encoding, "backslashreplace") == done.stdout


@pytest.mark.parametrize(
    ("options", "said"),
    [
        pytest.param(["--thread", "t1"], "--thread and --store go together", id="no-store"),
        pytest.param(["--store", "FILE"], "--thread and --store go together", id="no-thread"),
        pytest.param(["--thread", "t9", "--store", "FILE"], "t9", id="no-such-thread"),
        pytest.param(["-f", "png"], "png", id="no-such-form"),
    ],
)
def test_the_command_refuses_what_it_cannot_draw(
    handoff: Commands, tmp_path: Path, options: list[str], said: str
) -> None:
    """A usage error says what is wrong, and nothing is drawn."""
    path = tmp_path / "threads.db"
    SqlStore(path).close()
    found = handoff("graph", "site_editor", *(str(path) if one == "FILE" else one for one in options))

    assert (2, "") == (found.code, found.out)
    assert said in found.err

"""`handoff check` on the command line: what it prints, how it ends, and what it leaves alone."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from handoff import Flow
from handoff.checks import Finding, Hop, Report, Severity, Unknown, check
from handoff.declaration.place import Place
from tests.checks.pages import CommandLine, command_line

CLEAN = """
from handoff import Flow

flow = Flow("clean")
clerk = flow.assistant("clerk", instructions="Sell.")
"""

FAULTY = """
from handoff import Flow, Metadata


class Order(Metadata):
    product: str | None = None
    limit: int | None = None


def many(order: Order) -> bool:
    \"\"\"It is not much.\"\"\"
    return order.limit is None or order.limit >= 0


flow = Flow("faulty", metadata=Order)
clerk = flow.assistant("clerk", instructions="Sell.")
cashier = flow.assistant("cashier", instructions="Bill {{ product }}.")


@clerk.tool(sets="product")
def order(product: str) -> str:
    \"\"\"Order.\"\"\"
    return product


@clerk.tool(sets="limit")
def note(limit: int) -> str:
    \"\"\"Note the limit.\"\"\"
    return str(limit)


@clerk.tool(to=cashier.when(many))
def pay() -> str:
    \"\"\"Pay.\"\"\"
    raise SystemExit("a tool ran")
"""


@pytest.fixture
def handoff(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[CommandLine]:
    """The command line in a directory with a clean flow and a faulty one."""
    (tmp_path / "clean.py").write_text(CLEAN)
    (tmp_path / "faulty.py").write_text(FAULTY)
    yield from command_line(tmp_path, monkeypatch, capsys)


def test_a_clean_flow_ends_with_0(handoff: CommandLine) -> None:
    """One line says so."""
    assert (0, "clean: no findings, 0 unknown\n", "") == handoff("check", "clean.py")


def test_several_flows_are_checked_and_one_finding_is_enough(handoff: CommandLine) -> None:
    """Each flow has its report, in order; the exit code is the worst."""
    code, said, _ = handoff("check", "clean.py", "faulty.py")

    assert 1 == code
    assert ["clean: no findings, 0 unknown", "faulty: 1 error, 1 unknown"] == [
        line for line in said.splitlines() if line.startswith(("clean:", "faulty:"))
    ]


def test_as_text_a_finding_has_its_line_path_and_remedy(handoff: CommandLine) -> None:
    """All that is known stands in three lines; what is unknown is shown and counted."""
    _, said, _ = handoff("check", "faulty.py")
    problem = "the instructions of cashier need product (line 1), which can be unset there: nothing sets it before pay"

    assert said.splitlines() == [
        f"faulty.py:17: error: {problem} leads there [possibly-unset]",
        "    path: clerk -pay-> cashier",
        "    Set product on every way to cashier, or write {% if product %} around what needs it",
        "faulty.py:10: unknown: many: its answer depends on more than whether limit is set",
        "faulty: 1 error, 1 unknown",
    ]


def test_as_json_it_is_one_object_a_flow(handoff: CommandLine) -> None:
    """A program reads the same facts."""
    _, said, _ = handoff("check", "faulty.py", "--format", "json")
    report = json.loads(said)

    assert {"flow", "findings", "unknown", "ignored"} == report.keys()
    assert [("possibly-unset", "error", "faulty.py", 17)] == [
        (one["code"], one["severity"], one["file"], one["line"]) for one in report["findings"]
    ]
    assert [{"source": "clerk", "trigger": "pay", "dest": "cashier"}] == report["findings"][0]["path"]
    assert ["many"] == [one["subject"] for one in report["unknown"]]


def test_as_annotations_each_finding_is_a_workflow_command(handoff: CommandLine) -> None:
    """A forge shows them beside the line."""
    _, said, _ = handoff("check", "faulty.py", "--format", "github")
    first, second = said.splitlines()

    assert first.startswith("::error file=faulty.py,line=17,title=possibly-unset::the instructions of cashier need")
    assert second.startswith("::notice file=faulty.py,line=10,title=unknown::many: ")


def test_a_clean_flow_has_no_annotations(handoff: CommandLine) -> None:
    """Nothing is printed, and it ends with 0."""
    assert (0, "", "") == handoff("check", "clean.py", "--format", "github")


def test_annotations_escape_what_would_end_them() -> None:
    """Line breaks, percent signs and, in properties, colons and commas."""
    finding = Finding("trap", "50 %\nof it", "a, b", Place("/a,b:c.py", 3))

    assert "::error file=/a%2Cb%3Ac.py,line=3,title=trap::50 %25%0Aof it. a, b." == Report("x", (finding,)).as_github()


def test_annotations_end_each_sentence_once() -> None:
    """A question keeps its mark, and gets no full stop behind it."""
    finding = Finding("trap", "a", "did you mean b?", Place("/c.py", 3))

    assert Report("x", (finding,)).as_github().endswith("::a. did you mean b?")


def test_what_a_module_prints_is_no_part_of_the_report(handoff: CommandLine) -> None:
    """Standard output holds the report and nothing else, so that a program can read it."""
    (handoff.directory / "talking.py").write_text(f"print('hello')\n{CLEAN}")
    _, said, error = handoff("check", "talking.py", "--format", "json")

    assert "clean" == json.loads(said)["flow"]
    assert "hello\n" == error


def test_a_given_field_counts_as_set(handoff: CommandLine) -> None:
    """--given names what the program opens every thread with."""
    assert 0 == handoff("check", "faulty.py", "--given", "product")[0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(["nowhere.py"], "there is no file nowhere.py", id="no-file"),
        pytest.param(["no_such_module"], "there is no module", id="no-module"),
        pytest.param(["clean.py:other"], "has no flow called other", id="no-flow"),
        pytest.param(["clean.py", "--given", "nothing"], "has no field 'nothing'", id="no-field"),
        pytest.param(["clean.py", "--format", "xml"], "xml", id="no-format"),
        pytest.param(["."], "there is no module '.'", id="no-name"),
        pytest.param([], "", id="no-argument"),
    ],
)
def test_what_cannot_be_carried_out_ends_with_2(handoff: CommandLine, arguments: list[str], words: str) -> None:
    """The text says what is wrong with the command; no report is printed."""
    code, said, error = handoff("check", *arguments)

    assert (2, "") == (code, said)
    assert words in error


@pytest.mark.parametrize(
    ("source", "line", "words"),
    [
        pytest.param("import json\n\nflow = (\n", 3, "was never closed", id="syntax"),
        pytest.param("import json\n\njson.loads('')\n", 3, "JSONDecodeError", id="raises-elsewhere"),
        pytest.param("import no_such_thing\n", 1, "no_such_thing", id="import"),
        pytest.param("import sys\n\nsys.exit(0)\n", 3, "SystemExit: 0", id="ends-the-process"),
        pytest.param("class Odd(BaseException): ...\n\n\nraise Odd\n", 4, "imported: Odd", id="raises-no-exception"),
        pytest.param("raise ValueError('one\\n   two')\n", 1, "ValueError: one two", id="several-lines"),
        pytest.param("name = 'a\0b'\n", 1, "null bytes", id="no-source"),
    ],
)
def test_an_import_error_is_a_finding_with_its_line(handoff: CommandLine, source: str, line: int, words: str) -> None:
    """The line is that of the module's own code, and the command ends with 1."""
    (handoff.directory / "broken.py").write_text(source)
    code, said, _ = handoff("check", "broken.py", "--format", "json")
    (found,) = json.loads(said)["findings"]

    assert (1, "import-failed", "broken.py", line) == (code, found["code"], found["file"], found["line"])
    assert words in found["problem"]


def test_it_imports_no_backend_and_runs_nothing(handoff: CommandLine) -> None:
    """No backend's library is imported; the faulty flow's tool would end the process if it ran."""
    program = (
        "import sys\nfrom handoff.cli import main\n"
        "try:\n    main(['check', 'faulty.py'])\n"
        "except SystemExit as ended:\n    print(ended.code, [name for name in sys.modules if name == 'openai'])"
    )
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", program],
        check=True,
        cwd=handoff.directory,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": root},
    )

    assert "1 []" == done.stdout.splitlines()[-1]


def test_errors_come_before_warnings() -> None:
    """What fails stands above what is only doubtful, whatever the lines."""
    flow = Flow("shop")
    flow.assistant("clerk", instructions="Sell.")
    flow.assistant("Clerk", instructions="Sell.")
    report = check(flow)

    assert [Severity.ERROR, Severity.WARNING] == [one.severity for one in report.findings]


def test_a_flow_that_cannot_be_frozen_is_a_finding() -> None:
    """What needs the whole flow is refused at the freeze, which the check brings about."""
    flow = Flow("shop")
    flow.assistant("clerk", instructions="Sell.", tool_choice="nothing")

    assert ["definition-refused"] == [one.code for one in check(flow).findings]


def test_a_report_is_a_value() -> None:
    """The same findings make the same report."""
    finding = Finding("trap", "a", "b", Place("c.py", 1), (Hop("d", "e", "f"),))

    assert Report("x", (finding,), (Unknown("g", "h", Place("c.py", 2)),)) == Report(
        "x", (finding,), (Unknown("g", "h", Place("c.py", 2)),)
    )

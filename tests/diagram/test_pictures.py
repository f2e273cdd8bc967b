"""Pictures are read by the programs that draw them: Mermaid's own parser and Graphviz, whatever the names are."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import replace
from datetime import timedelta
from itertools import cycle, islice, pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from flows.site_editor import flow as site_editor
from handoff import Flow, Metadata
from handoff.diagram import Arrow, Box, Diagram, diagram_of, render
from handoff.diagram.escaping import dot, mermaid, printable
from tests.conftest import data_file
from tests.diagram.test_diagram import flow
from tests.support.pictures import read_by_mermaid, require_graphviz

#: Names that are markup, commands or a trap in one of the languages.
HOSTILE = (
    'say "hi"',
    "it's",
    "a[b](c){d}",
    "a | b",
    "a --> b",
    "<b>bold</b>",
    "<script>alert(1)</script>",
    "&amp; &lt; &#35;",
    "#35; #quot;",
    "`code`",
    "**bold** _slanted_ __init__",
    "1. first",
    "- first",
    "# title",
    "%% comment",
    "end",
    "graph",
    "class a0 active",
    "click a0 call alert()",
    "back\\slash \\N \\n \\l",
    "semi;colon",
    "🙂 👩‍👩‍👧 🇮🇹",
    "עברית وعربي",
    "日本語",
    "é ﬁ ﬂ°°35¶ß",
    "$x^2$",
    "@{ shape: cloud }",
    "%%{init: {'theme': 'dark'}}%%",
    "",
)


def diagram(names: tuple[str, ...]) -> Diagram:
    """A ring of assistants with those names, each also the name of a trigger and of a guard."""
    ring = tuple(dict.fromkeys(names))
    nexts = islice(cycle(ring), 1, None)
    arrows = (
        Arrow(f"k{at}", one, other, one, one, taken=1) for at, (one, other) in enumerate(zip(ring, nexts, strict=False))
    )
    return Diagram(ring[0], tuple(Box(one, one, initial=not at) for at, one in enumerate(ring)), tuple(arrows))


def collapsed(text: str) -> str:
    """The text with its white space as HTML shows it."""
    return " ".join(text.split())


def expected_labels(shown: Diagram) -> list[str]:
    """The label of each arrow as people are to read it."""
    return [collapsed(one.label(printable)) for one in shown.arrows]


def read(shown: Diagram) -> dict[str, Any]:
    """What Mermaid reads in the diagram."""
    (found,) = read_by_mermaid([render(shown)])
    assert "error" not in found, found["error"]
    return found


def test_mermaid_reads_any_name() -> None:
    """Every assistant and every arrow arrives in Mermaid with the name it has."""
    shown = diagram(HOSTILE)
    found = read(shown)
    arrows = [collapsed(one["text"]) for one in found["arrows"]]

    assert [collapsed(box.name) for box in shown.boxes] == [
        collapsed(one["text"]) for one in found["boxes"] if one["id"] != "start"
    ]
    assert ["", *expected_labels(shown)] == arrows


def test_mermaid_reads_every_naughty_string(data: Path) -> None:
    """The Big List of Naughty Strings, each as a name."""
    names: list[str] = json.loads(data_file(data, "blns.json").read_text())
    pieces = [diagram(tuple(names[at : at + 100])) for at in range(0, len(names), 100)]
    found = read_by_mermaid([render(piece) for piece in pieces])

    assert [["", *expected_labels(piece)] for piece in pieces] == [
        [collapsed(arrow["text"]) for arrow in one["arrows"]] for one in found
    ]


def test_mermaid_reads_the_flow_s_shape() -> None:
    """What waits is round, what hands on is square, the end and the start are circles; a way back is dotted."""
    found = read(diagram_of(flow))
    shapes = {one["text"]: one["type"] for one in found["boxes"]}
    back = [one for one in found["arrows"] if one["stroke"] == "dotted"]

    assert {
        "writer": "square",
        "critic": "stadium",
        "printer": "stadium",
        "end": "doublecircle",
        "": "circle",
    } == shapes
    assert ["give_back [back]"] == [one["text"] for one in back]


def words_of_the_languages() -> Flow[Any]:
    """A flow whose every name is a word of Mermaid or of DOT, and whose guard is called as no function should be."""

    def guard(metadata: Metadata) -> bool:
        return True

    guard.__name__ = HOSTILE_GUARD
    words: Flow[Any] = Flow("digraph")
    names = (
        "graph",
        "subgraph",
        "style",
        "linkStyle",
        "classDef",
        "click",
        "default",
        "node",
        "edge",
        "strict",
        "a0",
        "o",
    )
    made = [words.assistant(name, instructions="", description=f"{name} -> {HOSTILE_GUARD}") for name in names]
    for one, other in pairwise(made):
        one.then(other.when(guard, times=2))
    made[-1].after(timedelta(days=1), to=made[0])
    words.on_limit(made[0])
    return words


HOSTILE_GUARD = 'x" | [y] <script>alert(1)</script> `z` עברית 🙂'


def test_words_of_the_languages_are_names_like_any_other() -> None:
    """A declared flow with such names arrives whole, in Mermaid and in Graphviz, with a thread's marks on it."""
    shown = diagram_of(words_of_the_languages())
    taken = replace(
        shown,
        boxes=tuple(replace(one, active=one.name == "style") for one in shown.boxes),
        arrows=tuple(replace(one, taken=3, latest=one.source == "click") for one in shown.arrows),
    )
    found = read(taken)

    assert [box.name for box in shown.boxes] == [one["text"] for one in found["boxes"] if one["id"] != "start"]
    assert ["", *expected_labels(taken)] == [collapsed(one["text"]) for one in found["arrows"]]
    assert {"active"} == {name for names in found["classes"].values() for name in names} - {"mark"}


def test_graphviz_draws_words_of_its_own() -> None:
    """Every name and every label of the same flow stands in the SVG."""
    require_graphviz()
    shown = diagram_of(words_of_the_languages())

    assert sorted([*(box.name for box in shown.boxes), *expected_labels(shown)]) == sorted(
        filter(None, svg_texts(shown))
    )


def test_mermaid_marks_the_arrow_that_is_meant() -> None:
    """The styles of the arrow just taken and of the missed one are on them and on no others."""
    shown = Diagram(
        "x",
        (Box("a", initial=True, missed=True), Box("b", active=True)),
        (
            Arrow("1", "a", "b", "one", latest=True),
            Arrow("2", "a", "b", "two"),
            Arrow("3", "b", "a", "three", missed=True),
        ),
    )
    found = read(shown)
    styled = {one["text"]: " ".join(one["style"]) for one in found["arrows"] if one["style"]}

    assert {"one", "three"} == styled.keys()
    assert ("#1e8449" in styled["one"], "#c0392b" in styled["three"]) == (True, True)
    assert (["missed"], ["active"]) == (found["classes"]["a0"], found["classes"]["a1"])


def test_mermaid_reads_the_site_editor() -> None:
    """The picture of the documentation has an arrow for each transition, beside the one from the start."""
    found = read(diagram_of(site_editor))

    assert 1 + len(site_editor.transitions) == len(found["arrows"])


def test_a_word_with_underscores_stays_readable_in_mermaid() -> None:
    """Only underscores that Mermaid takes for emphasis are coded."""
    assert "open_page #95;x#95;" == mermaid("open_page _x_")


def svg_texts(shown: Diagram) -> list[str]:
    """The texts Graphviz draws."""
    root = ET.fromstring(render(shown, "svg"))  # noqa: S314 - drawn right here
    return [collapsed("".join(one.itertext())) for one in root.iter("{http://www.w3.org/2000/svg}text")]


@pytest.mark.parametrize("names", [HOSTILE, ("one", "two")], ids=["hostile", "plain"])
def test_graphviz_draws_any_name(names: tuple[str, ...]) -> None:
    """Every name and label can be read in the SVG as it is."""
    require_graphviz()
    shown = diagram(names)

    expected = [*(collapsed(box.name) for box in shown.boxes), *expected_labels(shown)]
    assert sorted(one for one in expected if one) == sorted(one for one in svg_texts(shown) if one)


def test_graphviz_draws_every_naughty_string(data: Path) -> None:
    """The Big List of Naughty Strings, each as a name: the SVG is XML and holds all of them."""
    require_graphviz()
    names: list[str] = json.loads(data_file(data, "blns.json").read_text())
    shown = diagram(tuple(names[::3]))

    assert {one for one in expected_labels(shown) if one} <= set(svg_texts(shown))


def test_graphviz_reads_the_dot_of_the_flow() -> None:
    """Graphviz takes the DOT text without a word, and finds as many arrows as there are transitions and starts."""
    require_graphviz()
    done = subprocess.run(
        ["dot", "-Tplain"], input=render(diagram_of(flow), "dot"), capture_output=True, text=True, check=True
    )

    assert "" == done.stderr
    assert 1 + len(flow.transitions) == len(re.findall(r"^edge ", done.stdout, re.MULTILINE))


def test_what_is_missed_is_red_in_the_svg() -> None:
    """The red of a missed transition is in the picture only where something was missed."""
    require_graphviz()
    shown = diagram_of(flow)

    assert "#c0392b" not in render(shown, "svg")
    assert "#c0392b" in render(shown.marked((), [flow.transitions[0].key]), "svg")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param("a\nb\tc\r\n", "a b c  ", id="line-breaks"),
        pytest.param("a\x1b[31mb\0", "a\ufffd[31mb\ufffd", id="controls"),
        pytest.param("a\u202eb\u2067", "a\ufffdb\ufffd", id="reordering"),
        pytest.param("a\ud800b", "a\ufffdb", id="surrogate"),
        pytest.param("עברית 🙂", "עברית 🙂", id="other-writing"),
    ],
)
def test_what_no_picture_can_show_is_replaced(given: str, expected: str) -> None:
    """A name is one line without controls, whatever it was."""
    assert expected == printable(given)


def test_dot_has_its_own_marks_escaped() -> None:
    """Quotes, backslashes and entities are text in DOT."""
    assert '\\"a\\" \\\\N &amp;lt;' == dot('"a" \\N &lt;')

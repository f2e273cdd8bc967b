"""Task graphs that others drew, as flows: what is unreachable in them is found, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import networkx as nx
import pytest

from handoff import Flow
from handoff.checks import check
from tests.conftest import data_file

#: The loose roots of each graph, and the node that asks what they answer.
JOINED: dict[str, dict[str, str]] = {
    "apartment_search": {"yes": "apartment_ask_search_more", "no": "apartment_ask_search_more"},
    "bank_fraud_report": {
        "info_missing": "bank_ask_pin",
        "info_missing2": "bank_ask_childhood_pets_name",
        "query_failure": "query",
        "query_success": "query",
    },
    "book_doctor_appointment": {
        "available": "query_check",
        "unavailable": "query_check",
        "yes": "doctor_inform_booking_available",
        "no": "doctor_inform_booking_unavailable",
    },
    "followup_doctor_appointment": {},
    "hotel_search": {"yes": "hotel_ask_search_more", "no": "hotel_ask_search_more"},
    "party_plan": {
        "available": "query_check",
        "unavailable": "query_check",
        "query_success": "query_book",
        "query_failure": "query_book",
    },
    "plane_reserve": {
        "available": "query_check",
        "unavailable": "query_check",
        "yes": "plane_flight_available",
        "no": "plane_flight_unavailable",
        "query_success": "query_book",
        "query_failure": "query_book",
    },
    "restaurant_reserve": {
        "available": "query_check",
        "unavailable": "query_check",
        "yes": "restaurant_ask_confirm_booking",
        "no": "restaurant_inform_unavailable",
        "query_success": "query_book",
        "query_failure": "query_book",
    },
    "ride_change": {"query_success": "query", "query_failure": "query"},
    "schedule_meeting": {
        "query_success": "query",
        "query_failure": "query",
        "yes": "meeting_inform_unavailable_ask_different_time",
        "no": "meeting_inform_unavailable_ask_different_time",
    },
    "spaceship_life_support": {"no": "spaceship_inform_outcome"},
    "trivia": {
        "correct": "trivia_ask_question",
        "incorrect": "trivia_ask_question",
        "noanswer": "trivia_ask_question",
        "done": "trivia_inform_answer_correct_ask_next",
    },
}
TASKS = [pytest.param(task, id=task) for task in JOINED]


@pytest.fixture(scope="module")
def graphs(data: Path) -> dict[str, nx.DiGraph[str]]:
    """The graphs by task."""
    tasks = json.loads(data_file(data, "star_task_graphs.json").read_text())
    return {task: nx.DiGraph(list(one["graph"].items())) for task, one in tasks.items()}


def move() -> str:
    """Go on there."""
    return "Gone on."


def flow_of(task: str, ways: Iterable[tuple[str, str]]) -> Flow[Any, Any]:
    """One assistant for each name, one transition for each way; threads start at `hello`."""
    ways = tuple(ways)
    flow = Flow(task)
    names = dict.fromkeys(["hello", *(name for way in ways for name in way)])
    assistants = {name: flow.assistant(name, instructions=f"You are at {name}.") for name in names}
    for source, dest in ways:
        move.__name__ = f"go_to_{dest}"[:64]
        assistants[source].tool(to=assistants[dest])(move)
    return flow


def test_every_graph_is_in_the_table(graphs: dict[str, nx.DiGraph[str]]) -> None:
    """No graph of the data is left out."""
    assert set(JOINED) == set(graphs)


@pytest.mark.parametrize("task", TASKS)
def test_exactly_the_unreachable_assistants_are_found(task: str, graphs: dict[str, nx.DiGraph[str]]) -> None:
    """What an independent search does not reach is what is found, and nothing else is."""
    graph = graphs[task]
    unreachable = set(graph) - {"hello"} - nx.descendants(graph, "hello")

    report = check(flow_of(task, graph.edges))

    assert {"unreachable-assistant"} >= {one.code for one in report.findings}
    assert sorted(f"no thread ever gets to {name}" for name in unreachable) == sorted(
        one.problem.partition(":")[0] for one in report.findings
    )


@pytest.mark.parametrize("task", TASKS)
def test_with_each_loose_root_joined_nothing_is_found(task: str, graphs: dict[str, nx.DiGraph[str]]) -> None:
    """Once every answer belongs to a question, the flow is clean and nothing is unknown."""
    joined = [(asking, root) for root, asking in JOINED[task].items()]

    report = check(flow_of(task, [*graphs[task].edges, *joined]))

    assert ((), ()) == (report.findings, report.unknown)

"""`handoff threads`: what is in a store, and what a person decides about its tickets."""

from __future__ import annotations

import io

import pytest

from tests.support.cli import Commands, Result, handoff

__all__ = ["handoff"]  # the fixture


def talk(handoff: Commands, *texts: str, thread: str = "t") -> None:
    """Say these things on a stored thread."""
    for text in texts:
        assert 0 == handoff("run", "desk.py", text, "--thread", thread, "--store", handoff.store).code


def decide(handoff: Commands, *arguments: str) -> Result:
    """Decide about a ticket of the store."""
    return handoff("threads", *arguments, "--store", handoff.store)


def said(handoff: Commands) -> list[str]:
    """What the assistants said on the thread, in order."""
    messages = handoff("threads", "show", "t", "--store", handoff.store, "--json").told("message")
    return [one["text"] for one in messages if "assistant" in one]


def test_ls_lists_the_latest_thread_first(handoff: Commands) -> None:
    """Each thread is a line with its flow, assistant, status and open tickets."""
    talk(handoff, "hello", thread="one")
    talk(handoff, "want a pen", "hand it out", thread="two")

    found = decide(handoff, "ls")

    assert [
        ["THREAD", "FLOW", "ASSISTANT", "STATUS", "TICKETS"],
        ["two", "desk", "store", "rest", "1"],
        ["one", "desk", "front", "rest", "0"],
    ] == [line.split()[:5] for line in found.out.splitlines()]


def test_ls_as_json(handoff: Commands) -> None:
    """Each thread is an object with its metadata and the ids of its open tickets."""
    talk(handoff, "want a pen", "hand it out")

    (found,) = decide(handoff, "ls", "--json").events

    del found["at"]
    assert {
        "type": "thread",
        "thread": "t",
        "flow": "desk",
        "assistant": "store",
        "status": "rest",
        "metadata": {"item": "a pen", "count": None},
        "tickets": ["T1"],
    } == found


def test_show_tells_what_happened(handoff: Commands) -> None:
    """The conversation is shown as it was, with its handoffs, the metadata, and what waits."""
    talk(handoff, "want a pen", "hand it out")

    found = decide(handoff, "show", "t").out.splitlines()

    assert "  item = 'a pen'" in found
    assert "── front → store (ask_for) ──" in found
    assert "ticket T1: hand_out({}), asked by store, waits for approval" in found
    assert f"  handoff threads approve|refuse t/T1 --store {handoff.store} [--flow FLOW]" in found


def test_show_of_no_thread_is_wrong_usage(handoff: Commands) -> None:
    """An unknown thread ends with exit code 2."""
    talk(handoff, "hello")

    found = decide(handoff, "show", "u")

    assert (2, "") == (found.code, found.out)


def test_an_approval_waits_for_whoever_drives_the_thread_next(handoff: Commands) -> None:
    """Approved without a flow, the body runs when the thread is next driven, and its result is told."""
    talk(handoff, "want a pen", "hand it out")
    decided = decide(handoff, "approve", "t/T1", "--by", "Ada")

    talk(handoff, "hello")

    assert (0, "t/T1: approved by Ada\n") == (decided.code, decided.out)
    assert "Result of hand_out (ticket T1), asked by store: handed out" in "\n".join(said(handoff))


def test_an_approval_with_a_flow_runs_the_body_at_once(handoff: Commands) -> None:
    """With `--flow` the command drives the thread: the body runs and the active assistant tells its result."""
    talk(handoff, "want a pen", "hand it out")

    found = decide(handoff, "approve", "t", "--flow", "desk.py", "--json")

    assert 0 == found.code
    assert ["handed out" in one["text"] for one in found.told("message")] == [True]


def test_a_refusal_is_told_with_its_reason(handoff: Commands) -> None:
    """The body never runs, and the active assistant is told why."""
    talk(handoff, "want a pen", "hand it out")

    decide(handoff, "refuse", "t", "--reason", "no stock", "--by", "Ada", "--flow", "desk.py")

    assert "hand_out (ticket T1), asked by store, was refused by Ada: no stock. It was not run." == said(handoff)[-1]


@pytest.mark.parametrize("driven", [pytest.param((), id="waiting"), pytest.param(("--flow", "desk.py"), id="driven")])
def test_the_first_decision_stands(handoff: Commands, driven: tuple[str, ...]) -> None:
    """A second decision is answered with the first one, whoever drives the thread."""
    talk(handoff, "want a pen", "hand it out")
    decide(handoff, "approve", "t/T1", "--by", "Ada", *driven)

    found = decide(handoff, "refuse", "t/T1", "--by", "Bob", "--json", *driven)

    assert [{"type": "decision", "thread": "t", "ticket": "T1", "outcome": "approved", "by": "Ada"}] == found.told(
        "decision"
    )


def test_a_result_without_effects_needs_no_flow(handoff: Commands) -> None:
    """The result of a call that neither takes metadata nor hands over waits in the inbox."""
    talk(handoff, "want a pen", "order it")
    assert 0 == decide(handoff, "resolve", "t", "--output", "it came").code

    talk(handoff, "hello")

    assert "Result of order (ticket T1), asked by store: it came" in "\n".join(said(handoff))


def test_a_result_with_effects_needs_the_flow(handoff: Commands) -> None:
    """Without the flow nobody knows what the result changes, so the command is refused and says what to give."""
    talk(handoff, "want a pen", "send it")

    found = decide(handoff, "resolve", "t", "--output", "sent")

    assert (2, "what send_away changes is declared in the flow desk: name it with --flow (and its --dep)\n") == (
        found.code,
        found.err,
    )


def test_a_result_with_effects_is_judged_by_the_flow(handoff: Commands) -> None:
    """With the flow the metadata changes and the thread is handed over, as the tool declares."""
    talk(handoff, "want a pen", "send it")

    decide(handoff, "settle", "t", "--output", "sent", "--flow", "desk.py")

    (found,) = decide(handoff, "ls", "--json").events
    assert ("front", None) == (found["assistant"], found["metadata"]["item"])


def test_a_call_that_did_not_happen_changes_nothing(handoff: Commands) -> None:
    """Settled as not happened, the output is told and the thread stays."""
    talk(handoff, "want a pen", "send it")
    decide(handoff, "settle", "t", "--output", "it got lost", "--not-happened")

    talk(handoff, "hello")

    (found,) = decide(handoff, "ls", "--json").events
    assert ("store", "a pen", []) == (found["assistant"], found["metadata"]["item"], found["tickets"])


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        pytest.param(("approve", "u/T1"), "there is no thread 'u'", id="no such thread"),
        pytest.param(("approve", "t/T9"), "ticket T9 of thread t is not open", id="no such ticket"),
        pytest.param(("approve", "t/T2"), "ticket T2 of thread t is not open", id="it waits for no approval"),
        pytest.param(
            ("settle", "t/T1", "--output", "x"), "ticket T1 of thread t is not open", id="it waits for approval"
        ),
        pytest.param(("resolve", "t/T9", "--output", "x"), "ticket T9 of thread t is not open", id="no such result"),
        pytest.param(("resolve", "t", "--output", "x"), "has T2, T3: say which, as t/T2", id="two can be meant"),
    ],
)
def test_a_ticket_that_is_not_open_for_it(handoff: Commands, arguments: tuple[str, ...], problem: str) -> None:
    """A decision about a ticket that does not wait for it ends with exit code 2 and changes nothing."""
    talk(handoff, "want a pen", "hand it out", "order it", "order it")
    before = decide(handoff, "show", "t", "--json").out

    found = decide(handoff, *arguments)

    assert 2 == found.code
    assert problem in found.err
    assert before == decide(handoff, "show", "t", "--json").out


ROOMS = """
from handoff import Flow, Metadata, RuleModel, ToolCall, call as calls


class Case(Metadata):
    country: str | None = None


legal = Flow("legal", metadata=Case)
lawyer = legal.assistant("lawyer", instructions="Answer.")

flow = Flow("shop")
seller = flow.assistant("seller", instructions="Sell.")


@seller.tool(consults=legal)
async def ask_legal(call: ToolCall, country: str) -> str:
    '''Ask a lawyer.'''
    return (await call.consult(legal, Case(country=country), share="all")).text


law = RuleModel(legal)


@law.when(lawyer, r"(?s).*")
def judge(_match):
    '''anything'''
    return "It is allowed."


rules = RuleModel(flow)


@rules.when(seller, r"ship to (?P<country>\\w+)")
def ship(match):
    '''ship to COUNTRY'''
    return calls(ask_legal, country=match["country"])


@rules.after(seller, ask_legal)
def shipped(output):
    return f"Legal: {output}"
"""


@pytest.fixture
def shop(handoff: Commands) -> Commands:
    """A store with a thread whose tool has consulted another flow, by the offline rules of both."""
    handoff.write("shop.py", ROOMS)
    found = handoff("run", "shop.py", "ship to Norway", "--thread", "t", "--store", handoff.store)
    assert "Legal: It is allowed." in found.out, found.err
    return handoff


def test_a_run_tells_of_its_side_rooms(shop: Commands) -> None:
    """The lines of a run have the room's opening and its answer."""
    found = shop("run", "shop.py", "ship to Chile")

    assert "‣ room legal of ask_legal answered: It is allowed." in found.out


def test_ls_leaves_side_rooms_to_their_parents(shop: Commands) -> None:
    """Only the thread the user talks on is listed."""
    assert ["t"] == [one["thread"] for one in decide(shop, "ls", "--json").events]


def test_show_lists_the_side_rooms_of_a_thread(shop: Commands) -> None:
    """Each with where it stands, and how to look at it."""
    found = decide(shop, "show", "t").out.splitlines()
    room = next(index for index, line in enumerate(found) if line.startswith("room "))

    assert "room legal: legal at lawyer, rest" == found[room]
    assert found[room + 1].startswith("  handoff threads show t/1/1/call_1/room:legal --store ")
    assert ["t/1/1/call_1/room:legal"] == decide(shop, "show", "t", "--json").events[0]["rooms"]


def test_show_shows_a_side_room(shop: Commands) -> None:
    """By its id, like any thread: it was told the request, with the conversation quoted above it."""
    messages = decide(shop, "show", "t/1/1/call_1/room:legal", "--json").told("message")

    assert [True, False] == ["assistant" not in one for one in messages]
    assert messages[0]["text"].endswith('Consulted by ask_legal of shop.\ncountry: "Norway"')
    assert "It is allowed." == messages[1]["text"]


def test_a_flow_without_rules_cannot_be_consulted_offline(handoff: Commands) -> None:
    """The command says whose rules are missing."""
    start, end = ROOMS.index("law ="), ROOMS.index("rules =")
    handoff.write("shop.py", ROOMS[:start] + ROOMS[end:])

    found = handoff("run", "shop.py", "ship to Norway")

    assert 3 == found.code
    assert "the flow legal has no offline rules" in found.err


# -- deleting and narrowing down ---------------------------------------------------------------------------------------


def test_delete_asks_first(handoff: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a yes nothing is deleted; with --yes nobody is asked, and the thread is gone."""
    talk(handoff, "hello")

    monkeypatch.setattr("sys.stdin", io.StringIO("no\n"))
    refused = handoff("threads", "delete", "t", "--store", handoff.store)
    done = handoff("threads", "delete", "t", "--store", handoff.store, "--yes")
    again = handoff("threads", "delete", "t", "--store", handoff.store, "--yes")

    assert (2, 0, 2) == (refused.code, done.code, again.code)
    assert "t: deleted" == done.out.strip()
    assert "there is no thread 't'" in again.err


def test_delete_as_json(handoff: Commands) -> None:
    """What was deleted is an object."""
    talk(handoff, "hello")

    found = decide(handoff, "delete", "t", "--yes", "--json")

    assert [{"type": "deleted", "thread": "t", "rooms": [], "left": []}] == found.events


def test_ls_is_narrowed_down(handoff: Commands) -> None:
    """By number, the latest first."""
    for name in ("one", "two", "three"):
        talk(handoff, "hello", thread=name)

    limited = decide(handoff, "ls", "--limit", "2", "--json").told("thread")

    assert ["three", "two"] == [one["thread"] for one in limited]

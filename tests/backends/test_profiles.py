"""What servers take: how a profile spells a request, and what a refusal teaches for the next one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from handoff.backends.base import Ended, Report, Request
from handoff.backends.chat import Chat
from handoff.backends.profiles import ANY, PROFILES, adapted, profile_named, profile_of
from handoff.core.items import Asked, Output, Spoken, UserMessage
from handoff.core.status import Status
from handoff.declaration.prompt import OfferedTool, Prompt
from handoff.errors import ConfigurationError
from tests.support.chat_server import Script, completion, error, scripted
from tests.support.waits import Waits

DOCS = Path(__file__).parents[2] / "docs"
DONE = completion({"content": "done"})
TOOLS = tuple(OfferedTool(name, "A tool.", {"type": "object", "properties": {}}) for name in ("look", "open_page"))


def asked_for(*, number: int = 1, **options: Any) -> Request:
    """A request with all that servers differ in."""
    call = Asked("c1", "look", "{}")
    transcript = (UserMessage("m0", "look"), Spoken("editor", 1, "", (call,)), Output(1, 1, "c1", "look", "seen"))
    prompt = Prompt("editor", "Edit.", TOOLS, transcript, (UserMessage("m1", "hi"),), options)
    return Request("t", 2, number, "send", prompt, 1600.0)


async def asked(*replies: bytes, requests: int = 1, **options: Any) -> tuple[list[Report], Script]:
    """The last report of each request, and what the server was asked."""
    async with scripted(*replies) as script:
        chat = Chat("tiny", base_url=script.base_url, api_key="any", clock=Waits(1000.0), **options)
        last: list[Report] = []
        for _ in range(requests):
            request = asked_for(tool_choice="open_page", max_output_tokens=64)
            last.append([report async for report in chat.open(request)][-1])
        await chat.close()
        return last, script


def spelled(body: dict[str, Any]) -> dict[str, Any]:
    """What servers differ in, of one request."""
    choice = body.get("tool_choice")
    return {
        "counts_streams": "stream_options" in body,
        "strict": any("strict" in tool["function"] for tool in body["tools"]),
        "names": any("name" in message for message in body["messages"]),
        "choice": "none" if choice is None else choice if isinstance(choice, str) else "named",
        "instructions": body["messages"][0]["role"],
        "length": next(name for name in ("max_tokens", "max_completion_tokens") if name in body),
    }


@pytest.mark.parametrize("name", [None, *PROFILES])
async def test_a_request_is_spelled_by_the_profile(name: str | None) -> None:
    """Every field of the table is seen in the request."""
    _, script = await asked(DONE, profile=name)

    profile = profile_named(name)
    assert {key: getattr(profile, key) for key in spelled(script.bodies[0])} == spelled(script.bodies[0])


async def test_a_tool_that_cannot_be_forced_by_name_is_the_only_one_offered() -> None:
    """With `required` alone the server could choose; so it gets no choice."""
    _, script = await asked(DONE, profile="llama.cpp")

    assert ["open_page"] == [tool["function"]["name"] for tool in script.bodies[0]["tools"]]


@pytest.mark.parametrize(
    ("refusal", "changed"),
    [
        pytest.param("Unknown parameter: 'stream_options'.", {"counts_streams": False}, id="stream_options"),
        pytest.param("tools[0].function.strict: Extra inputs are not permitted", {"strict": False}, id="strict"),
        pytest.param("Unsupported param: tool_choice", {"choice": "required"}, id="tool_choice"),
        pytest.param(
            "Unrecognized request argument supplied: max_completion_tokens", {"length": "max_tokens"}, id="length"
        ),
        pytest.param("property 'name' is unsupported for role assistant", {"names": False}, id="name"),
        pytest.param("Unexpected field: messages[2].name", {"names": False}, id="name-by-path"),
    ],
)
async def test_what_a_server_refuses_is_left_out_from_then_on(refusal: str, changed: dict[str, Any]) -> None:
    """The request is made again at once without it, and later requests leave it out from the start."""
    last, script = await asked(error(400, refusal), DONE, DONE, requests=2)

    before = spelled(script.bodies[0])
    after = {**before, **changed}
    assert [before, after, after] == [spelled(body) for body in script.bodies]
    assert [Status.COMPLETED] * 2 == [report.status for report in last if isinstance(report, Ended)]


async def test_a_refusal_by_a_server_error_teaches_too() -> None:
    """Some servers say it with the status 500: it is not just asked again."""
    _, script = await asked(error(500, "Unsupported param: tool_choice"), DONE)

    assert ["named", "required"] == [spelled(body)["choice"] for body in script.bodies]


async def test_two_lessons_in_a_row_are_learned() -> None:
    """Each refusal may name another thing."""
    first, second = "unknown field stream_options", "unknown field strict"
    _, script = await asked(error(400, first), error(400, second), DONE)

    final = spelled(script.bodies[-1])
    assert (False, False) == (final["counts_streams"], final["strict"])


async def test_a_server_that_takes_neither_way_ends_the_run() -> None:
    """A refusal that comes back whatever is left out is told, not answered for ever."""
    one, other = "max_completion_tokens is not supported", "max_tokens is not supported"
    last, script = await asked(error(400, one), error(400, other), error(400, one))

    assert [Status.FAILED] == [report.status for report in last if isinstance(report, Ended)]
    assert 3 == len(script.bodies)


@pytest.mark.parametrize(
    "refusal",
    [
        pytest.param("The model 'tiny' is not supported", id="another-thing"),
        pytest.param("strict: schema is invalid", id="a-wrong-value"),
    ],
)
async def test_a_refusal_about_something_else_teaches_nothing(refusal: str) -> None:
    """Only what names something that can be left out, and says that it is not taken, is heeded."""
    last, script = await asked(error(400, refusal))

    assert [f"400: {refusal}"] == [report.reason for report in last if isinstance(report, Ended)]
    assert 1 == len(script.bodies)


def test_the_advice_to_use_another_field_is_not_taken_for_a_refusal_of_it() -> None:
    """OpenAI's own text names both: the one that was sent is the one that is not taken."""
    said = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
    changed = adapted(PROFILES["ollama"], said)

    assert changed is not None
    assert "max_completion_tokens" == changed.length
    assert adapted(changed, said) is not changed


@pytest.mark.parametrize(
    ("base_url", "owners", "name"),
    [
        pytest.param("https://api.openai.com/v1", [], "openai", id="openai"),
        pytest.param("https://mine.openai.azure.com/openai/v1/", ["openai"], "azure", id="azure"),
        pytest.param("http://10.0.0.1:8080/v1", ["llamacpp"], "llama.cpp", id="llama.cpp"),
        pytest.param("http://gpu:9000/v1", ["vllm"], "vllm", id="vllm"),
        pytest.param("http://127.0.0.1:11434/v1", ["library"], "ollama", id="ollama"),
        pytest.param("http://127.0.0.1:8080/v1", ["me"], None, id="nobody-known"),
        pytest.param("https://api.openai.com.example/v1", [], None, id="a-host-that-only-looks-so"),
    ],
)
def test_a_server_is_known_by_its_host_or_its_models(base_url: str, owners: list[str], name: str | None) -> None:
    """Hosts tell the services, `owned_by` the programs."""
    found = profile_of(base_url, frozenset(owners))

    assert name == (None if found is None else found.name)


def test_an_unknown_profile_is_refused() -> None:
    """The text lists those there are."""
    with pytest.raises(ConfigurationError, match=r"use one of openai, azure, llama\.cpp, ollama, vllm"):
        Chat("tiny", base_url="http://127.0.0.1:1/v1", profile="lama")


def test_every_profile_has_its_source() -> None:
    """No fact of the table is without one; nothing is claimed of a server nobody knows."""
    assert [] == [name for name, profile in PROFILES.items() if not profile.source]
    assert "" == ANY.source


def test_the_documentation_shows_the_table() -> None:
    """docs/backends.md has the profiles as they are."""
    rows = {
        cells[0].strip("`"): cells[1:]
        for line in (DOCS / "backends.md").read_text().splitlines()
        if line.startswith("| `") and len(cells := [cell.strip() for cell in line.strip("|").split("|")]) == 9
    }
    shown = {
        name: [
            f"`{one.base_url}`" if one.base_url else "",
            ", ".join(one.kinds),
            one.history,
            one.choice,
            "yes" if one.allowed_tools else "no",
            one.instructions,
            f"`{one.length}`",
            one.note,
        ]
        for name, one in PROFILES.items()
    }

    assert shown == {name: [re.sub(r"\s+", " ", cell) for cell in cells] for name, cells in rows.items()}

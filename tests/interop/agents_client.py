"""openai-agents as a client of the sandbox: run by the interpreter of `.clients` with a base URL.

It prints one object of JSON: for each scenario what came of it, or the error it ended with.
"""

from __future__ import annotations

import asyncio
import json
import sys
import traceback
from collections.abc import Awaitable, Callable
from typing import Any

import openai
from agents import (
    Agent,
    OpenAIChatCompletionsModel,
    OpenAIConversationsSession,
    OpenAIResponsesModel,
    Runner,
    SQLiteSession,
    function_tool,
    set_tracing_disabled,
)

set_tracing_disabled(disabled=True)


@function_tool
def add(left: int, right: int) -> int:
    """Add two numbers."""
    return left + right


class Cast:
    """A waiter that can add and hands over to a cook, on one of the two APIs."""

    def __init__(self, client: openai.AsyncOpenAI, api: str, refusals: asyncio.Queue[Any]) -> None:
        model = OpenAIResponsesModel if api == "responses" else OpenAIChatCompletionsModel
        self.client = client
        self.refusals = refusals
        self.cook = Agent(name="cook", instructions="You are cook.", model=model("any", client))
        self.waiter = Agent(
            name="waiter",
            instructions="You are waiter.",
            model=model("any", client),
            tools=[add],
            handoffs=[self.cook],
        )
        self.hasty = self.waiter.clone(tool_use_behavior="stop_on_first_tool")


async def plain(cast: Cast) -> Any:
    return (await Runner.run(cast.waiter, "good morning")).final_output


async def streamed(cast: Cast) -> Any:
    running = Runner.run_streamed(cast.waiter, "good morning to you")
    kinds = [
        event.data.type
        async for event in running.stream_events()
        if event.type == "raw_response_event" and event.data.type.endswith("output_text.delta")
    ]
    return [len(kinds), running.final_output]


async def tool(cast: Cast) -> Any:
    return (await Runner.run(cast.waiter, 'call add {"left": 2, "right": 3}')).final_output


async def tool_streamed(cast: Cast) -> Any:
    running = Runner.run_streamed(cast.waiter, 'call add {"left": 2, "right": 3}')
    async for _ in running.stream_events():
        pass
    return running.final_output


async def two_tools(cast: Cast) -> Any:
    asked = 'call add {"left": 2, "right": 3} and call add {"left": 4, "right": 5}'
    return (await Runner.run(cast.waiter, asked)).final_output


async def handoff(cast: Cast) -> Any:
    first = await Runner.run(cast.waiter, "call transfer_to_cook {}")
    second = await Runner.run(first.last_agent, [*first.to_input_list(), {"role": "user", "content": "well?"}])
    return [first.last_agent.name, first.final_output, second.final_output]


async def handoff_streamed(cast: Cast) -> Any:
    running = Runner.run_streamed(cast.waiter, "call transfer_to_cook {}")
    names = [
        event.new_agent.name async for event in running.stream_events() if event.type == "agent_updated_stream_event"
    ]
    return [names, running.final_output]


async def handoff_beside_a_tool(cast: Cast) -> Any:
    done = await Runner.run(cast.waiter, 'call add {"left": 2, "right": 3} and call transfer_to_cook {}')
    return [done.last_agent.name, done.final_output]


async def own_history(cast: Cast) -> Any:
    session = SQLiteSession("one")
    await Runner.run(cast.waiter, 'call add {"left": 2, "right": 3}', session=session)
    done = await Runner.run(cast.waiter, "thanks", session=session)
    return [len(await session.get_items()), done.final_output]


async def chained(cast: Cast) -> Any:
    first = await Runner.run(cast.waiter, 'call add {"left": 2, "right": 3}', auto_previous_response_id=True)
    second = await Runner.run(cast.waiter, "thanks", previous_response_id=first.last_response_id)
    return [first.final_output, second.final_output]


async def in_a_conversation(cast: Cast) -> Any:
    """Assistants hand over in a conversation that the server keeps."""
    made = await cast.client.conversations.create()
    first = await Runner.run(cast.waiter, "call transfer_to_cook {}", conversation_id=made.id)
    second = await Runner.run(first.last_agent, "well?", conversation_id=made.id)
    items = [item.type async for item in cast.client.conversations.items.list(made.id, order="asc")]
    return [first.last_agent.name, second.final_output, items]


async def conversations_session(cast: Cast) -> Any:
    session = OpenAIConversationsSession(openai_client=cast.client)
    await Runner.run(cast.waiter, 'call add {"left": 2, "right": 3}', session=session)
    done = await Runner.run(cast.waiter, "thanks", session=session)
    kept = [item.get("type") for item in await session.get_items()]
    await session.pop_item()
    left = len(await session.get_items())
    await session.clear_session()
    return [done.final_output, kept, left]


async def locked(cast: Cast) -> Any:
    """A run on a conversation that is being answered is refused, and goes on by itself once it is free."""
    made = await cast.client.conversations.create()
    request = {"model": "any", "conversation": made.id, "stream": True}
    holding = await cast.client.responses.create(input="hold", **request)
    async for event in holding:
        if event.type == "response.output_text.delta":
            break
    running = asyncio.create_task(Runner.run(cast.waiter, "hello?", conversation_id=made.id))
    refusal = await cast.refusals.get()
    await holding.close()
    return [refusal["error"]["code"], (await running).final_output]


async def unanswered(cast: Cast) -> Any:
    """A run that stops on its tool leaves a call without output: the conversation takes nothing but that output."""
    made = await cast.client.conversations.create()
    stopped = await Runner.run(cast.hasty, 'call add {"left": 2, "right": 3}', conversation_id=made.id)
    [call] = [item async for item in cast.client.conversations.items.list(made.id) if item.type == "function_call"]
    refused = await _refusal(Runner.run(cast.waiter, "go on", conversation_id=made.id))
    output: Any = {"type": "function_call_output", "call_id": call.call_id, "output": "5"}
    mended = await Runner.run(cast.waiter, [output], conversation_id=made.id)
    return [stopped.final_output, [refused[0], refused[1].replace(call.call_id, "CALL")], mended.final_output]


async def _refusal(running: Awaitable[Any]) -> list[Any]:
    try:
        return ["answered", (await running).final_output]
    except openai.BadRequestError as error:
        return [error.code, error.body["message"] if isinstance(error.body, dict) else str(error)]


BOTH = [plain, streamed, tool, tool_streamed, two_tools, handoff, handoff_streamed, handoff_beside_a_tool, own_history]
RESPONSES = [chained, in_a_conversation, conversations_session, locked, unanswered]


async def main(base_url: str) -> None:
    found: dict[str, Any] = {}
    refusals: asyncio.Queue[Any] = asyncio.Queue()

    async def noted(response: Any) -> None:
        if response.status_code == 400:
            refusals.put_nowait(json.loads(await response.aread()))

    http = openai.DefaultAsyncHttpxClient(event_hooks={"response": [noted]})
    async with openai.AsyncOpenAI(base_url=base_url, api_key="any", max_retries=0, http_client=http) as client:
        scenarios: list[tuple[str, Callable[[Cast], Awaitable[Any]]]] = [
            *(("responses", one) for one in [*BOTH, *RESPONSES]),
            *(("chat", one) for one in BOTH),
        ]
        for api, scenario in scenarios:
            try:
                async with asyncio.timeout(30):
                    outcome = await scenario(Cast(client, api, refusals))
            except Exception:  # noqa: BLE001 - whatever it is, it is what came of it
                outcome = traceback.format_exc()
            found[f"{api}.{scenario.__name__}"] = outcome
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))

"""Every operation of the sandbox: its path, its name as the SDK has it, what does it, and the schema of its body."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from handoff.sandbox import assistants, chat, conversations, models, responses, runs, threads
from handoff.sandbox.calls import Call, Stream
from handoff.sandbox.world import Wire

Operation: TypeAlias = Callable[[Call], Awaitable[Wire | Stream]]


@dataclass(frozen=True, slots=True)
class Route:
    """One operation."""

    #: The HTTP method.
    method: str
    #: The path below /v1.
    path: str
    #: Its name, by which faults find it.
    name: str
    #: What does it.
    operation: Operation
    #: The schema of its body, in requests.json; empty if it takes none.
    schema: str = ""

    @property
    def heard(self) -> bool:
        """Whether it is done only for as long as its client listens: to hang up is to cancel it (R8)."""
        return self.name in ("responses.create", "chat.completions.create")

    @property
    def bare_not_found(self) -> bool:
        """Whether the document promises the error itself, without its envelope, where there is no such object."""
        return self.name in ("responses.delete", "responses.cancel")

    @property
    def beta(self) -> bool:
        """Whether it is of the Assistants API, which wants its header."""
        return self.path.startswith(("/assistants", "/threads"))


_COMPLETION = "/chat/completions/{completion_id}"
_CONVERSATION = "/conversations/{conversation_id}"
_ITEMS = f"{_CONVERSATION}/items"
_THREAD = "/threads/{thread_id}"
_RUN = "/threads/{thread_id}/runs/{run_id}"

ROUTES: Final[tuple[Route, ...]] = (
    Route("POST", "/chat/completions", "chat.completions.create", chat.create, "createChatCompletion"),
    Route("GET", "/chat/completions", "chat.completions.list", chat.listed),
    Route("GET", _COMPLETION, "chat.completions.retrieve", chat.retrieve),
    Route("POST", _COMPLETION, "chat.completions.update", chat.update, "updateChatCompletion"),
    Route("DELETE", _COMPLETION, "chat.completions.delete", chat.delete),
    Route("POST", "/responses", "responses.create", responses.create, "createResponse"),
    Route(
        "POST", "/responses/input_tokens", "responses.input_tokens.count", responses.count_tokens, "Getinputtokencounts"
    ),
    Route("GET", "/responses/{response_id}", "responses.retrieve", responses.retrieve),
    Route("DELETE", "/responses/{response_id}", "responses.delete", responses.delete),
    Route("POST", "/responses/{response_id}/cancel", "responses.cancel", responses.cancel),
    Route("GET", "/responses/{response_id}/input_items", "responses.input_items.list", responses.input_items),
    Route("POST", "/conversations", "conversations.create", conversations.create, "createConversation"),
    Route("GET", _CONVERSATION, "conversations.retrieve", conversations.retrieve),
    Route("POST", _CONVERSATION, "conversations.update", conversations.update, "updateConversation"),
    Route("DELETE", _CONVERSATION, "conversations.delete", conversations.delete),
    Route("POST", _ITEMS, "conversations.items.create", conversations.add_items, "createConversationItems"),
    Route("GET", _ITEMS, "conversations.items.list", conversations.list_items),
    Route("GET", f"{_ITEMS}/{{item_id}}", "conversations.items.retrieve", conversations.retrieve_item),
    Route("DELETE", f"{_ITEMS}/{{item_id}}", "conversations.items.delete", conversations.delete_item),
    Route("POST", "/assistants", "assistants.create", assistants.create, "createAssistant"),
    Route("GET", "/assistants", "assistants.list", assistants.listed),
    Route("GET", "/assistants/{assistant_id}", "assistants.retrieve", assistants.retrieve),
    Route("POST", "/assistants/{assistant_id}", "assistants.update", assistants.update, "modifyAssistant"),
    Route("DELETE", "/assistants/{assistant_id}", "assistants.delete", assistants.delete),
    Route("POST", "/threads", "threads.create", threads.create, "createThread"),
    Route("POST", "/threads/runs", "threads.create_and_run", runs.create_with_thread, "createThreadAndRun"),
    Route("GET", _THREAD, "threads.retrieve", threads.retrieve),
    Route("POST", _THREAD, "threads.update", threads.update, "modifyThread"),
    Route("DELETE", _THREAD, "threads.delete", threads.delete),
    Route("POST", f"{_THREAD}/messages", "messages.create", threads.create_message, "createMessage"),
    Route("GET", f"{_THREAD}/messages", "messages.list", threads.list_messages),
    Route("GET", f"{_THREAD}/messages/{{message_id}}", "messages.retrieve", threads.retrieve_message),
    Route("POST", f"{_THREAD}/messages/{{message_id}}", "messages.update", threads.update_message, "modifyMessage"),
    Route("DELETE", f"{_THREAD}/messages/{{message_id}}", "messages.delete", threads.delete_message),
    Route("POST", f"{_THREAD}/runs", "runs.create", runs.create, "createRun"),
    Route("GET", f"{_THREAD}/runs", "runs.list", runs.listed),
    Route("GET", _RUN, "runs.retrieve", runs.retrieve),
    Route("POST", _RUN, "runs.update", runs.update, "modifyRun"),
    Route("POST", f"{_RUN}/cancel", "runs.cancel", runs.cancel),
    Route(
        "POST",
        f"{_RUN}/submit_tool_outputs",
        "runs.submit_tool_outputs",
        runs.submit_tool_outputs,
        "submitToolOuputsToRun",
    ),
    Route("GET", f"{_RUN}/steps", "runs.steps.list", runs.list_steps),
    Route("GET", f"{_RUN}/steps/{{step_id}}", "runs.steps.retrieve", runs.retrieve_step),
    Route("GET", "/models", "models.list", models.listed),
    Route("GET", "/models/{model}", "models.retrieve", models.retrieve),
)

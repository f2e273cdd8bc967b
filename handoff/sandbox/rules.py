"""What an OpenAI-style server does, rule by rule, with the source beside it; and the exact text of every refusal.

The rest of the sandbox keeps these rules and refuses by `refused` alone, so that a text is written once. Sources:
`document` is OpenAI's OpenAPI document or the source of its SDK, `reported` an exact text in a public report,
`inferred` neither.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

Source: TypeAlias = Literal["document", "reported", "inferred"]


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing the real server does."""

    #: What it does, in a sentence.
    says: str
    #: Where that is known from.
    source: Source
    #: The public report or page, where there is one.
    where: str = ""


RULES: Final[dict[str, Rule]] = {
    # Assistants v2
    "A1": Rule("Runs, steps and messages have exactly these statuses, kinds and reasons.", "document"),
    "A2": Rule("A run moves by the table MOVES; queued, in_progress, requires_action, cancelling lock.", "document"),
    "A3": Rule("No message is added while a run is active.", "reported", "openai-python#1023"),
    "A4": Rule("No second run is started while one is active.", "reported", "dotnet/extensions#5964"),
    "A5": Rule("A run that is over cannot be cancelled; one in requires_action can.", "reported"),
    "A6": Rule("Only a run in requires_action takes outputs.", "reported"),
    "A7": Rule("All outputs of a run come in one request.", "reported"),
    "A8": Rule("A call is answered once, and by its id.", "reported"),
    "A9": Rule("A run expires 600 s after its creation; the thread unlocks and its outputs are lost.", "document"),
    "A10": Rule("Metadata: 16 pairs, keys of 64, values of 512 characters; also while a run is active.", "document"),
    "A11": Rule("A run overrides model, instructions, tools and more of its assistant.", "document"),
    "A12": Rule("Events of a run; the stream ends at requires_action; dropping it does not stop the run.", "document"),
    "A13": Rule("openai-poll-after-ms tells the SDK how often to poll.", "document"),
    "A14": Rule("A run cancelled with calls open leaves no outputs, and the next run works.", "inferred"),
    "A15": Rule("Messages are created with role user or assistant.", "document"),
    # Responses and Conversations
    "R1": Rule("previous_response_id excludes conversation; a conversation grows on completion.", "document"),
    "R2": Rule("Instructions, tools and model are those of the request, not of the previous response.", "document"),
    "R3": Rule("A conversation is locked while a response is made on it.", "reported"),
    "R4": Rule("A stored call without output refuses all but that output.", "reported", "livekit/agents#5092"),
    "R5": Rule("An output needs its call.", "reported"),
    "R6": Rule("The previous response must be there.", "reported"),
    "R7": Rule("No item twice, no output twice.", "reported"),
    "R8": Rule(
        "In the background: stored, polled, cancelled idempotently, its stream resumed; else to hang up is to cancel.",
        "document",
        "developers.openai.com/api/docs/guides/background",
    ),
    "R9": Rule("At most 20 items at a time; responses live 30 days; conversations are not listed.", "document"),
    "R10": Rule("Webhooks tell how a background response ended, signed, at least once.", "document"),
    "R11": Rule("Every event has its sequence_number, and items keep their ids from added to done.", "document"),
    "R12": Rule("Over a WebSocket a response is steered: accepted is not applied, no tool runs again.", "document"),
    "R13": Rule("tool_choice allowed_tools restricts a fixed list of tools.", "document"),
    # Chat Completions
    "C1": Rule("A message with tool_calls is followed by a tool message for each.", "reported"),
    "C2": Rule("No two tool messages answer the same call.", "reported"),
    "C3": Rule("The whole history comes with every request; nothing is remembered.", "document"),
}

#: The statuses of a run (A1), and where each may move (A2). `cancelling` may end completed when the model was first.
MOVES: Final[dict[str, frozenset[str]]] = {
    "queued": frozenset({"in_progress", "cancelling", "expired"}),
    "in_progress": frozenset(
        {"requires_action", "completed", "incomplete", "failed", "expired", "cancelling"},
    ),
    "requires_action": frozenset({"queued", "expired", "cancelling"}),
    "cancelling": frozenset({"cancelled", "completed"}),
    "cancelled": frozenset(),
    "failed": frozenset(),
    "completed": frozenset(),
    "incomplete": frozenset(),
    "expired": frozenset(),
}
#: The statuses that lock a thread.
LOCKING: Final = frozenset(status for status, onward in MOVES.items() if onward)
#: The kinds of a step, its statuses, those of a message, and why one is incomplete (A1).
STEP_KINDS: Final = frozenset({"message_creation", "tool_calls"})
STEP_STATUSES: Final = frozenset({"in_progress", "cancelled", "failed", "completed", "expired"})
MESSAGE_STATUSES: Final = frozenset({"in_progress", "incomplete", "completed"})
INCOMPLETE_REASONS: Final = frozenset({"content_filter", "max_tokens", "run_cancelled", "run_expired", "run_failed"})
#: The statuses of a response (R1).
RESPONSE_STATUSES: Final = frozenset({"completed", "failed", "in_progress", "cancelled", "queued", "incomplete"})

RUN_SECONDS: Final = 600  #: A9
RESPONSE_SECONDS: Final = 30 * 24 * 3600  #: R9
METADATA_PAIRS, METADATA_KEY, METADATA_VALUE = 16, 64, 512  #: A10


class Refused(Exception):
    """The server says no, and nothing happened.

    Attributes:
        status: the HTTP status.
        text: what the client reads.
        code: the code beside it.
        param: the field it is about.
        kind: the type of the error.
        retry_after: seconds after which to try again.
    """

    def __init__(
        self,
        text: str,
        *,
        status: int = 400,
        code: str | None = None,
        param: str | None = None,
        kind: str = "invalid_request_error",
        retry_after: int | None = None,
    ) -> None:
        super().__init__(text)
        self.text = text
        self.status = status
        self.code = code
        self.param = param
        self.kind = kind
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Refusal:
    """How the server says no."""

    #: The text, with named fields.
    text: str
    #: The HTTP status.
    status: int = 400
    #: The code beside it.
    code: str | None = None
    #: The field it is about.
    param: str | None = None
    #: The type of the error.
    kind: str = "invalid_request_error"
    #: The rule it keeps, if it is one of `RULES`.
    rule: str = ""


REFUSALS: Final[dict[str, Refusal]] = {
    # runs and messages
    "thread_locked": Refusal("Can't add messages to {thread} while a run {run} is active.", rule="A3"),
    "run_active": Refusal("Thread {thread} already has an active run {run}.", rule="A4"),
    "not_cancellable": Refusal("Cannot cancel run with status '{status}'.", rule="A5"),
    "takes_no_outputs": Refusal('Runs in status "{status}" do not accept tool outputs.', rule="A6"),
    "outputs_missing": Refusal("Expected tool outputs for call_ids {expected}, got {given}", rule="A7"),
    "outputs_repeated": Refusal("Duplicate call_ids submitted: {given}", rule="A8"),
    "call_id_missing": Refusal("field required", param="tool_outputs[{index}].tool_call_id", rule="A8"),
    "metadata_pairs": Refusal(
        "Invalid 'metadata': too many properties. Expected an object with at most 16 properties, but got an object "
        "with {count} properties instead.",
        code="object_above_max_properties",
        param="metadata",
        rule="A10",
    ),
    "metadata_key": Refusal(
        "Invalid property name in 'metadata': '{key}' is too long. Expected a property name with maximum length 64, "
        "but got a property name with length {length} instead.",
        code="property_name_above_max_length",
        param="metadata",
        rule="A10",
    ),
    "metadata_value": Refusal(
        "Invalid 'metadata.{key}': string too long. Expected a string with maximum length 512, but got a string with "
        "length {length} instead.",
        code="string_above_max_length",
        param="metadata.{key}",
        rule="A10",
    ),
    "no_such": Refusal("No {kind} found with id '{id}'.", status=404),
    "no_beta_header": Refusal(
        "You must provide the 'OpenAI-Beta' header to access the Assistants API. Please try again by setting the "
        "header 'OpenAI-Beta: assistants=v2'.",
        code="invalid_beta",
    ),
    # responses and conversations
    "two_histories": Refusal(
        "Mutually exclusive parameters: 'previous_response_id' and 'conversation'. Only one of these parameters can "
        "be provided.",
        code="mutually_exclusive_parameters",
        param="conversation",
        rule="R1",
    ),
    "conversation_locked": Refusal(
        "Another process is currently operating on this conversation. Please retry in a few seconds.",
        code="conversation_locked",
        param="conversation",
        rule="R3",
    ),
    "function_not_listed": Refusal(
        "Invalid value for 'tool_choice': no function named '{name}' was specified in the 'tools' parameter.",
        param="tool_choice",
    ),
    "only_with_tools": Refusal(
        "Invalid value for '{field}': '{field}' is only allowed when 'tools' are specified.", param="{field}"
    ),
    "only_streamed": Refusal(
        "The 'stream_options' parameter is only allowed when 'stream' is enabled.", param="stream_options"
    ),
    "tool_not_listed": Refusal("Tool choice '{name}' not found in 'tools' parameter.", param="tool_choice", rule="R13"),
    "output_missing": Refusal("No tool output found for function call {call}.", param="input", rule="R4"),
    "call_missing": Refusal(
        "No tool call found for function call output with call_id {call}.", param="input", rule="R5"
    ),
    "no_previous": Refusal(
        "Previous response with id '{id}' not found.",
        code="previous_response_not_found",
        param="previous_response_id",
        rule="R6",
    ),
    "item_repeated": Refusal("Duplicate item found with id {id}", param="input", rule="R7"),
    "output_repeated": Refusal("Duplicate function_call_output for call_id {call}", param="input", rule="R7"),
    "background_unstored": Refusal("background can only be true if store is true.", param="background", rule="R8"),
    "not_in_background": Refusal("Cannot cancel a synchronous response.", rule="R8"),
    "response_over": Refusal("Cannot cancel a {status} response.", rule="R8"),
    "not_streamed": Refusal(
        "This response cannot be streamed because it was not created with {field}=true.", param="stream", rule="R8"
    ),
    "no_response": Refusal("Response with id '{id}' not found.", status=404),
    "no_conversation": Refusal("Conversation with id '{id}' not found.", status=404),
    "no_item": Refusal("Item with id '{id}' not found.", status=404),
    "item_unknown_kind": Refusal(
        "The sandbox has no items of type '{kind}'.", code="unsupported_value", param="input[{index}].type"
    ),
    # chat
    "tool_message_missing": Refusal(
        "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. "
        "The following tool_call_ids did not have response messages: {calls}",
        param="messages.[{index}].role",
        rule="C1",
    ),
    "tool_message_repeated": Refusal(
        "Invalid parameter: Duplicate value for 'tool_call_id' of '{call}' in message[{index}].",
        param="messages.[{index}].tool_call_id",
        rule="C2",
    ),
    "tool_message_alone": Refusal(
        "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with 'tool_calls'.",
        param="messages.[{index}].role",
        rule="C1",
    ),
    "no_completion": Refusal("Chat completion with id '{id}' not found.", status=404),
    # all of them
    "no_model": Refusal("The model '{id}' does not exist", status=404, code="model_not_found", param="model"),
    "no_url": Refusal("Invalid URL ({method} {path})", status=404),
    "no_method": Refusal("Not allowed to {method} on {path}", status=405),
    "no_key": Refusal("You didn't provide an API key.", status=401),
    "wrong_key": Refusal("Incorrect API key provided.", status=401, code="invalid_api_key"),
    "no_json": Refusal("We could not parse the JSON body of your request: {problem}"),
    "field_missing": Refusal(
        "Missing required parameter: '{param}'.", code="missing_required_parameter", param="{param}"
    ),
    "field_unknown": Refusal("Unknown parameter: '{param}'.", code="unknown_parameter", param="{param}"),
    "empty_array": Refusal(
        "Invalid '{param}': empty array. Expected an array with minimum length 1, but got an empty array instead.",
        code="empty_array",
        param="{param}",
    ),
    "name_empty": Refusal(
        "Invalid '{param}': empty string. Expected a string with minimum length 1, but got an empty string instead.",
        code="empty_string",
        param="{param}",
    ),
    "name_long": Refusal(
        "Invalid '{param}': string too long. Expected a string with maximum length {most}, but got a string with "
        "length {length} instead.",
        code="string_above_max_length",
        param="{param}",
    ),
    "name_characters": Refusal(
        "Invalid '{param}': string does not match pattern. Expected a string that matches the pattern "
        "'^[a-zA-Z0-9_-]+$'.",
        code="invalid_value",
        param="{param}",
    ),
    "function_open": Refusal(
        "Invalid schema for function '{name}': In context={place}, {problem}",
        code="invalid_function_parameters",
        param="{param}",
    ),
    "text_format_open": Refusal(
        "Invalid schema for response_format '{name}': In context={place}, {problem}",
        code="invalid_json_schema",
        param="text.format.schema",
    ),
    "response_format_open": Refusal(
        "Invalid schema for response_format '{name}': In context={place}, {problem}", param="response_format"
    ),
    "field_type": Refusal("Invalid type for '{param}': {problem}.", code="invalid_type", param="{param}"),
    "field_value": Refusal("Invalid value for '{param}': {problem}.", code="invalid_value", param="{param}"),
    # faults
    "rate_limited": Refusal("Rate limit reached.", status=429, code="rate_limit_exceeded", kind="requests"),
    "server_error": Refusal("The server had an error while processing your request.", status=500, kind="server_error"),
    "overloaded": Refusal("That model is currently overloaded with other requests.", status=503, kind="server_error"),
}


def refused(refusal: str, /, **fields: object) -> Refused:
    """Return what to raise.

    Args:
        refusal: a key of `REFUSALS`.
        fields: the values of the fields that its text names.
    """
    way = REFUSALS[refusal]
    return Refused(
        way.text.format(**fields),
        status=way.status,
        code=way.code,
        param=None if way.param is None else way.param.format(**fields),
        kind=way.kind,
        retry_after=1 if way.status == 429 else None,  # noqa: PLR2004 - Too Many Requests
    )

"""azure-ai-agentserver-responses, a strict server, under the responses backend: `python -m tests.interop.azure`."""

from __future__ import annotations

import os
import tempfile
from typing import Any

from handoff.backends.responses import Responses
from tests.interop.processes import INSTALL_SERVERS, SERVERS
from tests.interop.trattoria import free_port, hand_over, serving

SERVER = """
import json, sys
from azure.ai.agentserver.responses import ResponseEventStream, ResponsesAgentServerHost

app = ResponsesAgentServerHost(configure_observability=None)

@app.response_handler
async def answer(request, context, cancellation_signal):
    stream = ResponseEventStream(response_id=context.response_id, request=request)
    yield stream.emit_created()
    yield stream.emit_in_progress()
    text = await context.get_input_text()
    told = json.dumps([request.get("instructions"), request.get("input")])
    if "You make" in told:
        said = "You are welcome." if "Thanks" in text else "It is ready."
        for event in stream.output_item_message(said):
            yield event
    else:
        for event in stream.output_item_function_call("take_order", "call_1", json.dumps({"dish": "pizza"})):
            yield event
    yield stream.emit_completed()

app.run(host="127.0.0.1", port=int(sys.argv[1]))
"""

WAYS: dict[str, dict[str, Any]] = {
    "chain": {},
    "own": {"history": "own"},
    "own, cached layout": {"history": "own", "layout": "cached", "profile": "openai"},
    "background": {"background": True},
}


def main() -> int:
    """Play the flow, chained, with our history and in the background, streamed and whole. Its telemetry is off."""
    if not SERVERS.is_file():
        print(f"no azure-ai-agentserver-responses: {INSTALL_SERVERS}")
        return 2
    worked: list[bool] = []
    with tempfile.TemporaryDirectory() as directory:
        os.environ.update(AGENTSERVER_STATE_ROOT=directory, OTEL_SDK_DISABLED="true")
        port = free_port()
        with serving([str(SERVERS), "-c", SERVER, str(port)], port):
            for stream in (True, False):
                for name, options in WAYS.items():
                    backend = Responses("any", base_url=f"http://127.0.0.1:{port}", stream=stream, **options)
                    title = f"responses, {name}, {'streamed' if stream else 'whole'}"
                    worked.append(hand_over(title, backend))
    print(f"{sum(worked)} of {len(worked)} worked")
    return 0 if all(worked) else 1


if __name__ == "__main__":
    raise SystemExit(main())

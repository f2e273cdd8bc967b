"""azure-ai-agentserver-responses, a strict server, under the responses backend: `python -m tests.interop.azure`."""

from __future__ import annotations

import os
import tempfile

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
    if "You make" in (request.get("instructions") or ""):
        said = "You are welcome." if "Thanks" in text else "It is ready."
        for event in stream.output_item_message(said):
            yield event
    else:
        for event in stream.output_item_function_call("take_order", "call_1", json.dumps({"dish": "pizza"})):
            yield event
    yield stream.emit_completed()

app.run(host="127.0.0.1", port=int(sys.argv[1]))
"""


def main() -> int:
    """Play the flow, chained and with our history, streamed and whole. Its telemetry is off."""
    if not SERVERS.is_file():
        print(f"no azure-ai-agentserver-responses: {INSTALL_SERVERS}")
        return 2
    worked: list[bool] = []
    with tempfile.TemporaryDirectory() as directory:
        os.environ.update(AGENTSERVER_STATE_ROOT=directory, OTEL_SDK_DISABLED="true")
        port = free_port()
        with serving([str(SERVERS), "-c", SERVER, str(port)], port):
            for stream in (True, False):
                for history in ("chain", "own"):
                    backend = Responses("any", history=history, base_url=f"http://127.0.0.1:{port}", stream=stream)
                    title = f"responses, {history}, {'streamed' if stream else 'whole'}"
                    worked.append(hand_over(title, backend))
    print(f"{sum(worked)} of {len(worked)} worked")
    return 0 if all(worked) else 1


if __name__ == "__main__":
    raise SystemExit(main())

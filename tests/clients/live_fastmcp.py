"""An agent's tools behind FastMCP, client and server each a process with telemetry of its own: live_fastmcp.py

Started with `serve`, it is the server. It appends what its tools did to the file that RAN names.
"""

import asyncio
import atexit
import json
import os
import sys

from fastmcp import Client, FastMCP
from fastmcp.client.transports import StdioTransport
from fastmcp.exceptions import ToolError
from fake_openai import ARGUMENTS, KEY, PASSWORD
from opentelemetry import trace
from support_agent import TOOLS, ran, tracing


def serve():
    server = FastMCP("acme")
    for function in TOOLS:
        server.tool(function)
    provider = tracing("http")

    def end():
        provider.shutdown()
        with open(os.environ["RAN"], "w") as file:
            json.dump(ran, file)

    atexit.register(end)
    server.run(show_banner=False)


async def work():
    env = dict(os.environ)
    transport = StdioTransport(command=sys.executable, args=[os.path.abspath(__file__), "serve"], env=env)
    async with Client(transport) as client:
        with trace.get_tracer("acme").start_as_current_span("agent turn"):
            await client.call_tool("lookup_order", ARGUMENTS["lookup_order"])
            try:
                await client.call_tool("issue_refund", ARGUMENTS["issue_refund"])
                raise AssertionError("not refused")
            except ToolError:
                pass
    await transport.close()


def main():
    if sys.argv[1:] == ["serve"]:
        return serve()
    provider = tracing("http")
    asyncio.run(work())
    provider.shutdown()
    with open(os.environ["RAN"]) as file:
        print(json.dumps({"ran": json.load(file), "secrets": [KEY, PASSWORD]}))


main()

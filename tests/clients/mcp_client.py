"""A client of the Model Context Protocol by the SDK that is there, old or new: stdio COMMAND..., or http|sse URL."""
import asyncio
import sys

from mcp import ClientSession


async def drive(session):
    await session.initialize()
    await session.list_tools()
    for n in (1, -1):
        result = await session.call_tool("pay", {"n": n})
        print(n, getattr(result, "isError", getattr(result, "is_error", None)), result.content[0].text)
    await session.read_resource("kb://17")
    await session.get_prompt("greet", {"name": "Zoe"})


async def main(transport, target):
    if transport == "stdio":
        from mcp.client.stdio import StdioServerParameters, stdio_client

        way = stdio_client(StdioServerParameters(command=target[0], args=target[1:]))
    elif transport == "sse":
        from mcp.client.sse import sse_client

        way = sse_client(target[0])
    else:
        try:
            from mcp.client.streamable_http import streamablehttp_client as client
        except ImportError:
            from mcp.client.streamable_http import streamable_http_client as client
        way = client(target[0])
    async with way as streams:
        async with ClientSession(streams[0], streams[1]) as session:
            await drive(session)


asyncio.run(main(sys.argv[1], sys.argv[2:]))

"""A server of the Model Context Protocol by the SDK that is there, old or new: TRANSPORT [PORT]."""
import sys

try:
    from mcp.server.fastmcp import FastMCP as Server
except ImportError:
    from mcp.server import MCPServer as Server

transport = sys.argv[1]
if len(sys.argv) > 3 and sys.argv[3] == "fastmcp":
    from fastmcp import FastMCP as Server
server = Server("acme")


@server.tool()
def pay(n: int) -> str:
    if n < 0:
        raise ValueError("no debt")
    return f"paid {n}"


@server.resource("kb://17")
def kb() -> str:
    return "14 days"


@server.prompt()
def greet(name: str) -> str:
    return f"Hello {name}"


if transport == "stdio":
    server.run()
else:
    port = int(sys.argv[2])
    try:
        server.settings.port = port
    except (AttributeError, ValueError):
        server.run(transport=transport, port=port)
    else:
        server.run(transport=transport)

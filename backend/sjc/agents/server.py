"""The tools by the Model Context Protocol, over standard input and output: https://modelcontextprotocol.io/."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .. import __version__, causes, foreign
from ..errors import SjcError
from . import tools
from .arguments import schema_of
from .jobs import Jobs

INSTRUCTIONS = (
    "Makes colored 3D meshes from sentences. Jobs run one after the other and take minutes: begin one, ask for its "
    "status now and then, and export its folder when it is finished. All paths lie below the server's root."
)


def serve(root: Path, *, offline: bool = False) -> None:
    """Answer until the client is gone; then the job that runs is stopped and can be resumed.

    Raises SjcError for a root that is no folder, and where the protocol's package is missing.
    """
    try:
        import anyio
        from mcp.server import Server
        from mcp.server.stdio import stdio_server
        from mcp.types import CallToolResult, ListToolsResult, TextContent
        from mcp.types import Tool as Offered
    except ImportError as error:
        raise SjcError(
            "The MCP server needs the package mcp, which is not installed: pip install 'sjc[mcp]', or in a clone of "
            "the repository python3 build.py mcp."
        ) from error
    root = foreign.resolved(root)
    if not foreign.is_folder(root):
        raise SjcError(f"--root: {root} is not a folder; make it first.")
    desk = tools.Desk(root, Jobs(root), offline)

    async def on_list(_context: Any, _parameters: Any) -> ListToolsResult:
        offered = [
            Offered(name=name, description=tool.text, input_schema=schema_of(tool.arguments))
            for name, tool in tools.TOOLS.items()
        ]
        return ListToolsResult(tools=offered)

    async def on_call(_context: Any, parameters: Any) -> CallToolResult:
        try:
            result = await anyio.to_thread.run_sync(tools.call, desk, parameters.name, parameters.arguments)
        except Exception as error:
            known = causes.in_one_line(error)
            if known is None:
                raise
            return CallToolResult(content=[TextContent(type="text", text=known[1])], is_error=True)
        text = json.dumps(result, ensure_ascii=False)
        return CallToolResult(content=[TextContent(type="text", text=text)], structured_content=result)

    server: Any = Server(
        "sjc", version=__version__, instructions=INSTRUCTIONS, on_list_tools=on_list, on_call_tool=on_call
    )

    async def answer() -> None:
        async with stdio_server() as (read, write):
            await server.run(read, write, server.create_initialization_options())

    try:
        anyio.run(answer)
    finally:
        desk.jobs.close()

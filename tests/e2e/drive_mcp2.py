"""Drives a stdio server with the second generation of the official Python client, and prints what it saw.

usage: .venv/mcp2/bin/python drive_mcp2.py legacy|auto|2026-07-28 COMMAND [ARGUMENT...]
"""

import asyncio
import json
import sys

from mcp.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client


async def drive(mode, command, args):
    progress = []

    async def on_progress(done, total, message):
        progress.append([done, message])

    parameters = StdioServerParameters(command=command, args=args)
    async with Client(stdio_client(parameters), mode=mode) as client:
        tools = await client.list_tools()
        total = await client.call_tool("execute_code", {"code": "result = 2 + 2"})
        failure = await client.call_tool("execute_code", {"code": "1 / 0"})
        await client.call_tool("execute_code", {"code": "print('live')"}, progress_callback=on_progress)
        return {
            "version": client.protocol_version,
            "tools": [tool.name for tool in tools.tools],
            "sum": total.structured_content,
            "failure": failure.structured_content,
            "failed": failure.is_error,
            "progress": progress,
        }


print(json.dumps(asyncio.run(drive(sys.argv[1], sys.argv[2], sys.argv[3:]))))

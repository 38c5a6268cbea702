"""Drives a server with the second generation of the official Python client, and prints what it saw.

usage: .venv/mcp2/bin/python drive_mcp2.py legacy|auto|2026-07-28 stdio COMMAND [ARGUMENT...]
       .venv/mcp2/bin/python drive_mcp2.py legacy|auto|2026-07-28 http|sse URL [TOKEN]
"""

import asyncio
import json
import sys

import httpx2
from mcp.client import Client
from mcp.client.sse import sse_client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client


def transport(road, target):
    if road == "stdio":
        return stdio_client(StdioServerParameters(command=target[0], args=target[1:]))
    headers = {"Authorization": f"Bearer {target[1]}"} if target[1:] else {}
    if road == "sse":
        return sse_client(target[0], headers=headers)
    return streamable_http_client(target[0], http_client=httpx2.AsyncClient(headers=headers, timeout=60))


async def drive(mode, road, target):
    progress = []

    async def on_progress(done, total, message):
        progress.append([done, message])

    async with Client(transport(road, target), mode=mode) as client:
        tools = await client.list_tools()
        prompts = await client.list_prompts()
        total = await client.call_tool("execute_code", {"code": "result = 2 + 2"})
        failure = await client.call_tool("execute_code", {"code": "1 / 0"})
        await client.call_tool("execute_code", {"code": "print('live')"}, progress_callback=on_progress)
        many = await asyncio.gather(
            *(client.call_tool("execute_code", {"code": f"result = {n}"}) for n in range(10))
        )
        return {
            "version": client.protocol_version,
            "tools": [tool.name for tool in tools.tools],
            "prompts": [prompt.name for prompt in prompts.prompts],
            "sum": total.structured_content,
            "failure": failure.structured_content,
            "failed": failure.is_error,
            "progress": progress,
            "parallel": [one.structured_content["result"] for one in many],
        }


print(json.dumps(asyncio.run(drive(sys.argv[1], sys.argv[2], sys.argv[3:]))))

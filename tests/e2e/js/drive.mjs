/* Drives a stdio server with an official TypeScript client, and prints what it saw as one JSON object.
 *
 * usage: node drive.mjs old|legacy|auto|pinned COMMAND [ARGUMENT...]
 *   old     @modelcontextprotocol/sdk 1.x
 *   others  @modelcontextprotocol/client 2.x in that mode of version negotiation
 */
const [mode, command, ...args] = process.argv.slice(2);

const MODES = { legacy: 'legacy', auto: 'auto', pinned: { pin: '2026-07-28' } };

async function connectOld() {
    const { Client } = await import('@modelcontextprotocol/sdk/client/index.js');
    const { StdioClientTransport } = await import('@modelcontextprotocol/sdk/client/stdio.js');
    const client = new Client({ name: 'tests', version: '1' });
    await client.connect(new StdioClientTransport({ command, args }));
    return client;
}

async function connectNew() {
    const { Client } = await import('@modelcontextprotocol/client');
    const { StdioClientTransport } = await import('@modelcontextprotocol/client/stdio');
    const client = new Client({ name: 'tests', version: '1' }, { versionNegotiation: { mode: MODES[mode] } });
    await client.connect(new StdioClientTransport({ command, args }));
    return client;
}

/* Sends a run that never ends, and cancels it. */
async function cancelled(call) {
    const stop = new AbortController();
    setTimeout(() => stop.abort('enough'), 200);
    try {
        await call({ code: 'while True: pass' }, { signal: stop.signal });
        return false;
    } catch {
        return true;
    }
}

const client = await (mode === 'old' ? connectOld() : connectNew());
const call = (given, options) =>
    mode === 'old'
        ? client.callTool({ name: 'execute_code', arguments: given }, undefined, options)
        : client.callTool({ name: 'execute_code', arguments: given }, options);

const seen = { server: client.getServerVersion(), capabilities: client.getServerCapabilities() };
seen.version = client.getNegotiatedProtocolVersion?.() ?? null;
seen.era = client.getProtocolEra?.() ?? null;
seen.tools = (await client.listTools()).tools.map(tool => tool.name);
seen.sum = await call({ code: 'print("hi")\nresult = 2 + 2' });
seen.failure = await call({ code: '1 / 0' });
seen.refusal = await call({ code: 'import os' });
seen.wrong = await call({ code: 5 });
const progress = [];
seen.live = await call({ code: 'import time\nfor i in range(3):\n    print(i)\n    time.sleep(0.1)' },
    { onprogress: one => progress.push(one) });
seen.progress = progress;
seen.parallel = (await Promise.all([...Array(20).keys()].map(n => call({ code: `result = ${n}` })))).map(
    one => one.structuredContent.result);
seen.cancelled = await cancelled(call);
seen.after = (await call({ code: 'result = "still here"' })).structuredContent.result;
seen.validation = await client.callTool({ name: 'validate_code', arguments: { code: 'import os' } });
seen.info = await client.callTool({ name: 'get_sandbox_info', arguments: {} });
await client.close();
console.log(JSON.stringify(seen));

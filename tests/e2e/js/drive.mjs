/* Drives a server with an official TypeScript client, and prints what it saw as one JSON object.
 *
 * usage: node drive.mjs CLIENT stdio COMMAND [ARGUMENT...]
 *        node drive.mjs CLIENT http|sse URL [TOKEN]
 *   CLIENT  old: @modelcontextprotocol/sdk 1.x
 *           legacy, auto, pinned: @modelcontextprotocol/client 2.x in that mode of version negotiation
 */
const [mode, road, ...target] = process.argv.slice(2);

const MODES = { legacy: 'legacy', auto: 'auto', pinned: { pin: '2026-07-28' } };

/* @places: where the three transports are to be had. */
function transport({ StdioClientTransport, StreamableHTTPClientTransport, SSEClientTransport }) {
    if (road === 'stdio') return new StdioClientTransport({ command: target[0], args: target.slice(1) });
    const headers = target[1] ? { Authorization: `Bearer ${target[1]}` } : {};
    const Transport = road === 'sse' ? SSEClientTransport : StreamableHTTPClientTransport;
    return new Transport(new URL(target[0]), { requestInit: { headers } });
}

async function connectOld() {
    const { Client } = await import('@modelcontextprotocol/sdk/client/index.js');
    const places = await Promise.all(
        ['stdio', 'streamableHttp', 'sse'].map(name => import(`@modelcontextprotocol/sdk/client/${name}.js`)));
    const client = new Client({ name: 'tests', version: '1' });
    await client.connect(transport(Object.assign({}, ...places)));
    return client;
}

async function connectNew() {
    const module = await import('@modelcontextprotocol/client');
    const stdio = await import('@modelcontextprotocol/client/stdio');
    const client = new module.Client(
        { name: 'tests', version: '1' }, { versionNegotiation: { mode: MODES[mode] } });
    await client.connect(transport({ ...module, ...stdio }));
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
seen.prompts = (await client.listPrompts()).prompts.map(prompt => prompt.name);
seen.prompt = await client.getPrompt({ name: 'explain_error', arguments: { code: '1 / 0' } });
seen.templates = (await client.listResourceTemplates()).resourceTemplates.map(one => one.uriTemplate);
await client.close();
console.log(JSON.stringify(seen));

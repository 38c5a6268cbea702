/* The server that tests/bench compares with: the official TypeScript SDK, with one tool that gives a ready answer.
 *
 * usage: node serve.mjs session|stateless|second ANSWER-FILE
 *   session    SDK 1.x, one session for everybody: nothing is made for a request
 *   stateless  SDK 1.x, a server and a transport for each request, as its documentation has it
 *   second     SDK 2.x, createMcpHandler
 * Prints its port. Plain node:http, answers as JSON: as fast as the SDK can be had.
 */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { randomUUID } from 'node:crypto';

const [mode, file] = process.argv.slice(2);
const tool = JSON.parse(readFileSync(file, 'utf8'));

/* @McpServer: of either generation. */
function makeServer(McpServer) {
    const server = new McpServer({ name: 'compared', version: '1' });
    server.registerTool(
        tool.name, { title: tool.title, description: tool.description, annotations: tool.annotations },
        async () => ({
            content: [{ type: 'text', text: JSON.stringify(tool.answer) }],
            structuredContent: tool.answer,
        }));
    return server;
}

async function first() {
    const { McpServer } = await import('@modelcontextprotocol/sdk/server/mcp.js');
    const { StreamableHTTPServerTransport } = await import('@modelcontextprotocol/sdk/server/streamableHttp.js');
    const connected = async sessionIdGenerator => {
        const transport = new StreamableHTTPServerTransport({ sessionIdGenerator, enableJsonResponse: true });
        await makeServer(McpServer).connect(transport);
        return transport;
    };
    if (mode === 'session') {
        const transport = await connected(randomUUID);
        return (request, response) => transport.handleRequest(request, response);
    }
    return async (request, response) => (await connected(undefined)).handleRequest(request, response);
}

async function second() {
    const { McpServer, createMcpHandler } = await import('@modelcontextprotocol/server');
    const { toNodeHandler } = await import('@modelcontextprotocol/node');
    return toNodeHandler(createMcpHandler(() => makeServer(McpServer)));
}

const server = createServer(await (mode === 'second' ? second() : first()));
server.keepAliveTimeout = 600_000;
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
process.stdin.on('end', () => process.exit(0)).resume(); // ends with whoever started it

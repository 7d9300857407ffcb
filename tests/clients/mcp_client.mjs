// A client of the Model Context Protocol by the TypeScript SDK: old|new stdio COMMAND..., or old|new http|sse URL.
const [age, transport, ...target] = process.argv.slice(2);
const sdk = age === "old" ? "mcp-sdk-old" : "@modelcontextprotocol/sdk";
const { Client } = await import(`${sdk}/client/index.js`);
let way;
if (transport === "stdio") {
  const { StdioClientTransport } = await import(`${sdk}/client/stdio.js`);
  way = new StdioClientTransport({ command: target[0], args: target.slice(1) });
} else if (transport === "sse") {
  const { SSEClientTransport } = await import(`${sdk}/client/sse.js`);
  way = new SSEClientTransport(new URL(target[0]));
} else {
  const { StreamableHTTPClientTransport } = await import(`${sdk}/client/streamableHttp.js`);
  way = new StreamableHTTPClientTransport(new URL(target[0]));
}
const client = new Client({ name: "ts", version: "1" });
await client.connect(way);
await client.listTools();
for (const n of [1, -1]) {
  const result = await client.callTool({ name: "pay", arguments: { n } });
  console.log(n, Boolean(result.isError), result.content[0].text);
}
await client.readResource({ uri: "kb://17" });
await client.getPrompt({ name: "greet", arguments: { name: "Zoe" } });
await client.close();
process.exit(0);

// Runs the function on this machine: a server with Lambda's Runtime API on one side and plain HTTP on the other.
//
//   node examples/lambda/local.mjs target/debug/headstart-example-lambda
//
// What Lambda does it does too: one request at a time, and the function is not told when a caller leaves.
import { spawn } from "node:child_process";
import { createServer } from "node:http";

const API = "/2018-06-01/runtime/invocation/";
const waiting = []; // calls that no function has taken yet
const asking = []; // the function, when it has nothing to do
const given = new Map(); // calls it is at work on, by their id
let count = 0;

async function read(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function event(request, body) {
  const [rawPath, rawQueryString = ""] = request.url.split("?");
  const http = { method: request.method, path: rawPath, protocol: "HTTP/1.1", sourceIp: "127.0.0.1", userAgent: "" };
  return {
    version: "2.0",
    routeKey: "$default",
    rawPath,
    rawQueryString,
    headers: request.headers,
    requestContext: { http, domainName: "localhost", stage: "$default", time: "", timeEpoch: Date.now() },
    body: body.toString("base64"),
    isBase64Encoded: true,
  };
}

function give() {
  while (waiting.length > 0 && asking.length > 0) {
    const [call, next] = [waiting.shift(), asking.shift()];
    const id = `call-${count++}`;
    given.set(id, call.response);
    next.writeHead(200, {
      "lambda-runtime-aws-request-id": id,
      "lambda-runtime-deadline-ms": String(Date.now() + 900_000),
      "lambda-runtime-invoked-function-arn": "arn:aws:lambda:local:0:function:chat",
    });
    next.end(JSON.stringify(call.event));
  }
}

// A streamed response: its head as JSON, eight zero bytes, its body.
async function pass(request, response) {
  let head = Buffer.alloc(0);
  for await (const chunk of request) {
    if (response.headersSent) {
      response.write(chunk);
      continue;
    }
    head = Buffer.concat([head, chunk]);
    const end = head.indexOf(Buffer.alloc(8));
    if (end < 0) continue;
    const { statusCode, headers } = JSON.parse(head.subarray(0, end).toString());
    response.writeHead(statusCode, headers);
    response.write(head.subarray(end + 8));
  }
  response.end();
}

const server = createServer(async (request, response) => {
  if (!request.url.startsWith(API)) {
    waiting.push({ event: event(request, await read(request)), response });
    return give();
  }
  const [id, what] = request.url.slice(API.length).split("/");
  if (id === "next") {
    asking.push(response);
    return give();
  }
  const caller = given.get(id);
  given.delete(id);
  if (what === "response") await pass(request, caller);
  else caller.writeHead(502).end(await read(request));
  response.writeHead(202).end();
});

server.listen(Number(process.env.PORT ?? 3000), "127.0.0.1", () => {
  const { port } = server.address();
  const env = {
    ...process.env,
    AWS_LAMBDA_RUNTIME_API: `127.0.0.1:${port}`,
    AWS_LAMBDA_FUNCTION_NAME: "chat",
    AWS_LAMBDA_FUNCTION_MEMORY_SIZE: "128",
    AWS_LAMBDA_FUNCTION_VERSION: "1",
  };
  const [command, ...args] = process.argv.slice(2);
  const functionProcess = spawn(command, args, { env, stdio: ["ignore", "inherit", "inherit"] });
  functionProcess.on("exit", (code) => process.exit(code ?? 1));
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => functionProcess.kill("SIGTERM"));
  console.log(`listening on http://127.0.0.1:${port}`);
});

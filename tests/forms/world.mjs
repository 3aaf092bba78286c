// The server of every form, and pages on it: the npm transport under the AI SDK's chat, both as published.
//   FORMS_SERVER=../../target/debug/headstart-forms-server
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Chat } from "@ai-sdk/react";
import { TriggerChatTransport } from "@trigger.dev/sdk/chat";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** Starts the server; it ends with this process, or when it is told to. */
export async function startServer() {
  const server = spawn(process.env.FORMS_SERVER ?? `${root}target/debug/headstart-forms-server`, {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const line = await new Promise((resolve, reject) => {
    createInterface({ input: server.stdout }).once("line", resolve);
    server.once("exit", (code) => reject(new Error(`the server ended with ${code}`)));
    server.once("error", reject);
  });
  return { ...JSON.parse(line), stop: () => server.stdin.end() };
}

export const textOf = (message) => message?.parts.filter((part) => part.type === "text").map((part) => part.text).join("|") ?? "";

export async function until(what, check, ms = 15_000) {
  const end = Date.now() + ms;
  for (;;) {
    const value = await check();
    if (value) return value;
    assert.ok(Date.now() < end, `${what} did not happen in ${ms} ms`);
    await sleep(10);
  }
}

export const within = (promise, what, ms = 15_000) =>
  Promise.race([promise, sleep(ms, undefined, { ref: false }).then(() => assert.fail(`${what} took longer than ${ms} ms`))]);

export async function post(url, body, headers = {}) {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", "x-user": "ada", ...headers },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  return { status: response.status, ...(text ? JSON.parse(text) : {}) };
}

let number = 0;

/**
 * A page in a fresh browser. `saved` is what an earlier page kept; `options` are the transport's own. It notes the
 * tokens it asked our routes for.
 */
export function open(server, { id = `chat-${++number}`, saved, ...options } = {}) {
  const chats = `${server.url}/api/chat`;
  const asked = [];
  const route = async (chatId, action, body = {}) => {
    asked.push(action);
    const answer = await post(`${chats}/${encodeURIComponent(chatId)}/${action}`, body);
    assert.equal(answer.status, 200, `${action}: ${JSON.stringify(answer)}`);
    return answer;
  };
  const page = { id, asked, errors: [], events: [], session: saved?.session };
  page.transport = new TriggerChatTransport({
    task: "my-agent",
    baseURL: server.api,
    headStart: chats,
    headers: { "x-user": "ada" },
    startSession: ({ chatId, taskId, clientData }) => route(chatId, "start", { taskId, clientData }),
    accessToken: async ({ chatId }) => (await route(chatId, "access-token")).publicAccessToken,
    sessions: saved?.session ? { [id]: saved.session } : undefined,
    onSessionChange: (_, session) => (page.session = session && { ...session }),
    onEvent: (event) => page.events.push(event),
    ...options,
  });
  page.chat = new Chat({
    id,
    transport: page.transport,
    messages: saved?.messages,
    onError: (error) => page.errors.push(error),
  });
  /** What is left when the page is closed. */
  page.close = () => {
    page.transport.dispose();
    return { session: page.session, messages: structuredClone(page.chat.messages) };
  };
  page.answer = () => textOf(page.chat.messages.findLast((message) => message.role === "assistant"));
  page.ask = async (text) => {
    await within(page.chat.sendMessage({ text }), `"${text}"`);
    assert.equal(page.chat.status, "ready", `"${text}" ended as ${page.chat.status}: ${page.errors.at(-1)?.stack}`);
    return page.answer();
  };
  return page;
}

/** What happened in a chat on the platform. */
export const happened = async (server, id, kind) => {
  const kinds = await (await fetch(`${server.url}/events/${encodeURIComponent(id)}`)).json();
  return kinds.filter((other) => other === kind).length;
};

/** Counts the requests whose address ends like this, from now on. */
export function countRequests(t, ending) {
  const real = globalThis.fetch;
  const counter = { count: 0 };
  t.mock.method(globalThis, "fetch", (input, init) => {
    const url = typeof input === "string" ? input : (input.url ?? input.href);
    if (new URL(url).pathname.endsWith(ending)) counter.count += 1;
    return real(input, init);
  });
  return counter;
}

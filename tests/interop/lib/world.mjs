// Everything between two real ends: the page's transport in this process, the agents' runtime in its threads.
import { spawn } from "node:child_process";
import { createServer } from "node:http";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseTranscriptBlob } from "@trigger.dev/core/v3";
import { APPROVAL_SECRET } from "../agent/secret.mjs";
import { Runs } from "./runs.mjs";
import { Page } from "./page.mjs";

const binary = process.env.HEADSTART_INTEROP ?? fileURLToPath(new URL("../../../target/debug/headstart-interop", import.meta.url));
const AGENTS = ["agent", "agent-signed", "agent-signs-alone", "agent-without-code", "agent-without-code-signed", "suspending", "hydrated", "session-loop", "own-loop"];

/** Starts platform, warm server and agents. */
export async function startWorld() {
  const runs = new Runs();
  const worker = createServer((request, response) => runs.serve(request, response));
  worker.listen(0, "127.0.0.1");
  await once(worker, "listening");
  const url = `http://127.0.0.1:${worker.address().port}/runs`;
  const options = ["--worker", url, "--approval-secret", APPROVAL_SECRET, ...AGENTS.flatMap((id) => ["--agent", id])];
  const server = spawn(binary, options, { stdio: ["ignore", "pipe", "inherit"] });
  const ready = await new Promise((resolve, reject) => {
    let text = "";
    server.stdout.on("data", (chunk) => {
      text += chunk;
      if (text.includes("\n")) resolve(JSON.parse(text));
    });
    server.once("error", reject);
    server.once("exit", (code) => reject(new Error(`${binary} ended with ${code}`)));
  });
  return new World(runs, worker, server, ready);
}

class World {
  #worker;
  #process;
  #chats = 0;
  constructor(runs, worker, process, { server, platform, secretKey }) {
    this.runs = runs;
    this.server = server;
    this.platform = platform;
    this.secretKey = secretKey;
    this.#worker = worker;
    this.#process = process;
  }
  /** A page with a new chat, whose first message is answered by a model that says `step`. */
  async visit(agent, step, use) {
    const chatId = `chat-${process.pid}-${++this.#chats}`;
    const page = new Page(this, { agent, chatId, step });
    try {
      await use(page);
    } finally {
      page.close();
      await this.#endRuns(chatId);
    }
  }
  /** A session as a warm server leaves it that dies in the middle of step 1. */
  async leaveBehind(agent, chatId, message) {
    const basePayload = { chatId, trigger: "handover-prepare", headStartMessages: [message] };
    await this.#call("POST", "/api/v1/sessions", {
      type: "chat.agent",
      externalId: chatId,
      taskIdentifier: agent,
      triggerConfig: { basePayload },
      metadata: { headStart: { nonce: "dead", userMessageId: message.id, messageId: "dead-message" } },
    });
    await this.#call("POST", `/realtime/v1/sessions/${chatId}/in/append`, { kind: "noop" });
    for (const chunk of [
      { type: "start", messageId: "dead-message" },
      { type: "start-step" },
      { type: "text-start", id: "0" },
      { type: "text-delta", id: "0", delta: "Half an ans" },
    ]) await this.#call("POST", `/realtime/v1/sessions/${chatId}/out/append`, chunk);
  }

  /** Sends an input past the page's transport. */
  say(chatId, payload) {
    return this.#call("POST", `/realtime/v1/sessions/${chatId}/in/append`, { kind: "message", payload: { chatId, ...payload } });
  }

  /** Asks the chat's run to end, so that its thread is free for another one. */
  async #endRuns(chatId) {
    const open = this.runs.of(chatId).filter((run) => !run.isOver);
    if (open.length > 0) await this.say(chatId, { trigger: "close" });
    await Promise.race([Promise.all(open.map((run) => run.ended)), sleep(1000, undefined, { ref: false })]);
    await this.cancelRuns(chatId);
  }

  /** Cancels what runs for a chat, as the platform's dashboard would. */
  async cancelRuns(chatId) {
    const open = this.runs.of(chatId).filter((run) => !run.isOver);
    await Promise.all(open.map(({ id }) => this.#call("POST", `/api/v2/runs/${id}/cancel`)));
  }

  /** What the agent stored of a chat, as soon as it has `messages` of them. */
  async stored(chatId, messages) {
    const { presignedUrl } = await this.#call("GET", `/api/v1/sessions/${chatId}/snapshot-url`);
    let snapshot;
    for (let tries = 0; tries < 200; tries++) {
      const response = await fetch(presignedUrl);
      snapshot = response.ok ? parseTranscriptBlob(await response.text()) : await response.body.cancel();
      if (snapshot?.messages.length >= messages) return snapshot.messages;
      await sleep(50);
    }
    throw new Error(`the agent did not store ${messages} messages, but ${JSON.stringify(snapshot)}`);
  }

  async #call(method, path, body) {
    const headers = { authorization: `Bearer ${this.secretKey}` };
    const response = await fetch(this.platform + path, { method, headers, body: body && JSON.stringify(body) });
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status}`);
    return response.json();
  }

  async stop() {
    this.#process.removeAllListeners("exit");
    this.#process.kill();
    this.#worker.closeAllConnections();
    this.#worker.close();
    await this.runs.stop();
  }
}

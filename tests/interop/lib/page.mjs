// The page: the SDK's transport under the AI SDK's own chat, which is what `useChat` wraps.
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { Chat } from "@ai-sdk/react";
import { TriggerChatTransport } from "@trigger.dev/sdk/chat";
import { lastAssistantMessageIsCompleteWithApprovalResponses, lastAssistantMessageIsCompleteWithToolCalls } from "ai";

const TURN_MS = 20_000;

export class Page {
  errors = [];
  /** Requests so far. */
  sent = 0;
  constructor(world, { agent, chatId, step }) {
    this.world = world;
    this.chatId = chatId;
    this.transport = new TriggerChatTransport({
      task: agent,
      baseURL: world.platform,
      headStart: `${world.server}/api/${agent}`,
      accessToken: () => assert.fail("the session's own token is good for an hour"),
      clientData: { step },
    });
    const isAnswered = (state) => lastAssistantMessageIsCompleteWithApprovalResponses(state) || lastAssistantMessageIsCompleteWithToolCalls(state);
    const counted = {
      sendMessages: (options) => (this.sent++, this.transport.sendMessages(options)),
      reconnectToStream: (options) => this.transport.reconnectToStream(options),
    };
    this.chat = new Chat({
      id: chatId,
      transport: counted,
      onError: (error) => this.errors.push(error.message),
      sendAutomaticallyWhen: isAnswered,
    });
  }

  /** Sends a text, or a message; the turn is over when this is. */
  async send(message) {
    const sent = typeof message === "string" ? { text: message } : message;
    await within(this.chat.sendMessage(sent), `the answer to ${JSON.stringify(message)}`);
  }

  /** Does something that makes the chat go on by itself, and waits for the turn it causes. */
  async goOn(act) {
    await act();
    const { chat } = this;
    // The chat sends in a task of its own.
    await within((async () => {
      for (let turns = 0; turns < 20 && chat.status === "ready"; turns++) await sleep(10);
      while (chat.status === "submitted" || chat.status === "streaming") await sleep(10);
    })(), "the turn after an answer");
  }

  /** The newest message. */
  get last() {
    return this.chat.messages.at(-1);
  }

  /** The newest message's tool parts by their call. */
  tools() {
    const parts = this.last.parts.filter((part) => "toolCallId" in part);
    return Object.fromEntries(parts.map((part) => [part.toolCallId, part]));
  }

  /** The newest message's parts, but for the borders of its steps. */
  parts() {
    return this.last.parts.filter(({ type }) => type !== "step-start").map((part) => JSON.parse(JSON.stringify(part)));
  }

  texts() {
    return textsOf(this.last);
  }

  /** Executions in the agent. */
  executions() {
    return this.world.runs.notes(this.chatId, "executed");
  }

  /** The same, as `tool(call)`. */
  async executed() {
    return (await this.executions()).map(({ tool, toolCallId }) => `${tool}(${toolCallId})`);
  }

  /** What the agent's model was shown, call by call. */
  async prompts() {
    return (await this.world.runs.notes(this.chatId, "prompt")).map(({ prompt }) => prompt);
  }


  close() {
    this.transport.dispose();
  }
}

export const textsOf = (message) => message.parts.filter((part) => part.type === "text").map((part) => part.text);

async function within(promise, what) {
  const timer = new AbortController();
  const late = sleep(TURN_MS, undefined, { signal: timer.signal }).then(
    () => assert.fail(`${what} did not come in ${TURN_MS} ms`),
    () => {},
  );
  try {
    await Promise.race([promise, late]);
  } finally {
    timer.abort();
  }
}

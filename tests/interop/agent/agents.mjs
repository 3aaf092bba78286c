// The agents, one of each kind that the SDK has.
import { chat } from "@trigger.dev/sdk/ai";
import { isStepCount, streamText } from "ai";
import { note } from "./journal.mjs";
import { model } from "./model.mjs";
import { APPROVAL_SECRET } from "./secret.mjs";
import { tools } from "./tools.mjs";

/** Longer than any test waits, but for the agent that suspends at once. */
const idleTimeoutInSeconds = 300;

function answer({ messages, signal, withCode = true, isSigned = false }) {
  return streamText({
    model,
    messages,
    tools: tools({ withCode }),
    stopWhen: isStepCount(5),
    abortSignal: signal,
    ...(isSigned ? { experimental_toolApprovalSecret: APPROVAL_SECRET } : {}),
  });
}

const onTurnComplete = ({ uiMessages }) => note("turn", { uiMessages });

function agent(id, options = {}, settings = {}) {
  chat.agent({
    id,
    idleTimeoutInSeconds,
    onTurnComplete,
    run: ({ messages, signal }) => answer({ messages, signal, ...options }),
    ...settings,
  });
}

agent("agent");
agent("agent-signed", { isSigned: true });
// The server in front of this one knows no secret.
agent("agent-signs-alone", { isSigned: true });
agent("agent-without-code", { withCode: false });
agent("agent-without-code-signed", { withCode: false, isSigned: true });

// Waits for nothing without suspending first.
agent("suspending", {}, { idleTimeoutInSeconds: 0, onChatSuspend: () => note("suspended") });

// Loads the conversation from a store of its own.
const stored = new Map();
agent("hydrated", {}, {
  hydrateMessages: ({ chatId, incomingMessages }) => {
    const known = stored.get(chatId) ?? [];
    const isKnown = ({ id }) => known.some((message) => message.id === id);
    return [...known, ...incomingMessages.filter((message) => !isKnown(message))];
  },
  onTurnComplete: (turn) => {
    stored.set(turn.chatId, turn.uiMessages);
    onTurnComplete(turn);
  },
});

// The loop of the SDK.
chat.customAgent({
  id: "session-loop",
  run: async (payload, { signal }) => {
    const session = chat.createSession(payload, { signal, idleTimeoutInSeconds });
    for await (const turn of session) {
      await (turn.handover?.isFinal ? turn.complete() : turn.complete(answer({ messages: turn.messages, signal: turn.signal })));
      note("turn", { uiMessages: turn.uiMessages });
    }
  },
});

// A loop by hand.
chat.customAgent({
  id: "own-loop",
  run: async (payload, { signal }) => {
    const conversation = new chat.MessageAccumulator();
    const respond = async (messages, originalMessages) => {
      const result = answer({ messages, signal });
      const { message } = await chat.pipeAndCapture(result, { signal, ...(originalMessages ? { originalMessages } : {}) });
      if (message) await conversation.addResponse(message);
    };
    const complete = async () => {
      await chat.writeTurnComplete();
      note("turn", { uiMessages: conversation.uiMessages });
    };

    const { isFinal, skipped } = await conversation.consumeHandover({ payload, idleTimeoutInSeconds });
    if (skipped) return;
    if (!isFinal) await respond(conversation.modelMessages, conversation.uiMessages);
    await complete();

    for (let turn = 1; ; turn++) {
      const next = await chat.messages.waitWithIdleTimeout({ idleTimeoutInSeconds });
      if (!next.ok || next.output.trigger === "close") return;
      const messages = await conversation.addIncoming([next.output.message], next.output.trigger, turn);
      await respond(messages);
      await complete();
    }
  },
});

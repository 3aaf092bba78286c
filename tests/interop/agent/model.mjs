// The model of the agents: it keeps what it was shown, and says what is expected of it.
import { MockLanguageModelV4, simulateReadableStream } from "ai/test";
import { note } from "./journal.mjs";

const usage = { inputTokens: { total: 1, noCache: 1 }, outputTokens: { total: 1, text: 1 } };

/** "You said: …" to a user, "Results: …" behind tool results. */
function answer(prompt) {
  const last = prompt.at(-1);
  if (last.role !== "tool") return `You said: ${textOf(last)}`;
  const results = last.content.filter((part) => part.type === "tool-result");
  return `Results: ${results.map((part) => `${part.toolName}=${JSON.stringify(part.output.value ?? part.output)}`).join(" ")}`;
}

const textOf = ({ content }) => content.filter((part) => part.type === "text").map((part) => part.text).join(" ");

export const model = new MockLanguageModelV4({
  // As providers do that fetch files themselves; the runtime would else fetch them.
  supportedUrls: { "*/*": [/^https:/] },
  doStream: async ({ prompt }) => {
    note("prompt", { prompt });
    const chunks = [
      { type: "stream-start", warnings: [] },
      { type: "text-start", id: "t" },
      ...answer(prompt).split(/(?<= )/).map((delta) => ({ type: "text-delta", id: "t", delta })),
      { type: "text-end", id: "t" },
      { type: "finish", finishReason: { unified: "stop", raw: "end_turn" }, usage },
    ];
    return { stream: simulateReadableStream({ chunks, initialDelayInMs: null, chunkDelayInMs: null }) };
  },
});

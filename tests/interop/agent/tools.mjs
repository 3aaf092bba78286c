// The tools of the agents. Those of step 1 have the same names and no code.
import { setTimeout as sleep } from "node:timers/promises";
import { tool } from "ai";
import { z } from "zod";
import { note } from "./journal.mjs";

/** Counts each execution before it happens. */
const counted = (name, run) => async (input, { toolCallId }) => {
  note("executed", { tool: name, toolCallId, input });
  return run(input);
};

const definitions = {
  getWeather: {
    inputSchema: z.object({ city: z.string(), unit: z.enum(["c", "f"]).default("c") }),
    execute: ({ city, unit }) => ({ city, unit, degrees: 21 }),
  },
  search: {
    inputSchema: z.looseObject({ query: z.string() }),
    execute: ({ query, afterMs }) => {
      const answer = `about ${query}`;
      return afterMs ? sleep(afterMs, answer) : answer;
    },
  },
  deleteFile: {
    inputSchema: z.object({ path: z.string() }),
    needsApproval: true,
    execute: ({ path }) => ({ deleted: path }),
  },
  // The page answers.
  pickColor: { inputSchema: z.object({}) },
};

/** All tools, with code or without. */
export function tools({ withCode = true } = {}) {
  const entries = Object.entries(definitions).map(([name, { execute, ...definition }]) => {
    const code = withCode && execute ? { execute: counted(name, execute) } : {};
    return [name, tool({ description: name, ...definition, ...code })];
  });
  return Object.fromEntries(entries);
}

// Runs of agents, one at a time: the runtime keeps what belongs to a run in globals.
// Inputs and output go through the platform's API; nothing of the runtime is replaced but the harness around it.
import { setTimeout as sleep } from "node:timers/promises";
import { parentPort } from "node:worker_threads";
import { apiClientManager, resourceCatalog } from "@trigger.dev/core/v3";
import { runInMockTaskContext } from "@trigger.dev/core/v3/test";
import { StandardResourceCatalog, StandardSessionStreamManager } from "@trigger.dev/core/v3/workers";

// Tasks register where they are defined, so the catalog comes first.
resourceCatalog.setGlobalResourceCatalog(new StandardResourceCatalog());
resourceCatalog.setCurrentFileContext("agents.mjs", "agents");
await import("./agents.mjs");

/** A suspended run keeps its thread, and asks whether it may go on. */
class Waiting {
  disable() {}
  async waitForWaitpoint({ waitpointFriendlyId }) {
    const url = `${process.env.TRIGGER_API_URL}/api/v1/waitpoints/tokens/${waitpointFriendlyId}`;
    const headers = { authorization: `Bearer ${process.env.TRIGGER_SECRET_KEY}` };
    for (;;) {
      const response = await fetch(url, { headers });
      if (!response.ok) throw new Error(`waitpoint ${waitpointFriendlyId}: ${response.status}`);
      if ((await response.json()).status === "COMPLETED") return { ok: true };
      await sleep(20);
    }
  }
}

/** Runs a task to its end. */
async function execute({ apiUrl, secretKey, run }) {
  process.env.TRIGGER_API_URL = apiUrl;
  process.env.TRIGGER_SECRET_KEY = secretKey;
  const task = resourceCatalog.getTask(run.taskIdentifier);
  if (!task) throw new Error(`no task ${run.taskIdentifier}`);
  const sessionStreamManager = new StandardSessionStreamManager(apiClientManager.clientOrThrow(), apiUrl);
  const context = { ctx: { run: { id: run.id } }, sessionStreamManager, runtimeManager: new Waiting() };
  try {
    await runInMockTaskContext(({ ctx }) => task.fns.run(run.payload, { ctx, signal: new AbortController().signal }), context);
  } finally {
    // Its subscription would outlive the run.
    sessionStreamManager.reset();
  }
}

parentPort.on("message", (message) => {
  // Whoever gets the answer has got everything that was said before it.
  if (message.type === "sync") return parentPort.postMessage({ type: "synced", id: message.id });
  execute(message).then(
    () => parentPort.postMessage({ type: "ended" }),
    (error) => parentPort.postMessage({ type: "ended", error: String(error?.stack ?? error) }),
  );
});

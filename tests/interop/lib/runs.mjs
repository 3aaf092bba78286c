// Serves the platform's runs: each in a thread of its own, of which one is always warm.
import { Worker } from "node:worker_threads";

/** Shows what the agents' runtime logs. */
const isLoud = process.env.HEADSTART_INTEROP_LOGS === "1";
const script = new URL("../agent/run.mjs", import.meta.url);

export class Runs {
  #spare = new Run();
  #byChat = new Map();

  /** One request is one run; it is over when it is answered, and cancelled when it breaks off. */
  async serve(request, response) {
    let body = "";
    for await (const chunk of request) body += chunk;
    const secretKey = request.headers.authorization.replace("Bearer ", "");
    const message = { ...JSON.parse(body), secretKey };
    const run = this.#spare;
    this.#spare = new Run();
    const { chatId } = message.run.payload;
    this.#byChat.set(chatId, [...(this.#byChat.get(chatId) ?? []), run]);
    response.once("close", () => run.stop());
    const error = await run.execute(message);
    response.statusCode = error ? 500 : 200;
    response.end(error);
  }

  /** What the runs of a chat have noted so far. */
  async notes(chatId, type) {
    const runs = this.#byChat.get(chatId) ?? [];
    await Promise.all(runs.map((run) => run.sync()));
    return runs.flatMap((run) => run.notes).filter((note) => note.type === type);
  }

  /** The ids of a chat's runs. */
  of(chatId) {
    return (this.#byChat.get(chatId) ?? []).map((run) => run.id);
  }

  async stop() {
    await Promise.all([this.#spare, ...[...this.#byChat.values()].flat()].map((run) => run.stop()));
  }
}

class Run {
  notes = [];
  id = undefined;
  #thread = new Worker(script, { env: { PATH: process.env.PATH }, stdout: !isLoud, stderr: !isLoud });
  #synced = new Map();
  #isOver = false;
  #ended;
  constructor() {
    this.#thread.on("message", (message) => {
      if (message.type === "note") this.notes.push(message.note);
      else if (message.type === "synced") this.#synced.get(message.id)?.();
    });
    this.#ended = new Promise((end) => {
      this.#thread.on("message", (message) => message.type === "ended" && end(message.error));
      this.#thread.on("error", (error) => end(String(error.stack ?? error)));
      this.#thread.on("exit", () => end("the run was cancelled"));
    });
    this.#thread.on("exit", () => {
      this.#isOver = true;
      for (const synced of this.#synced.values()) synced();
    });
  }
  execute(message) {
    this.id = message.run.id;
    this.#thread.postMessage(message);
    return this.#ended;
  }
  /** Waits until everything that was noted has arrived. */
  sync() {
    if (this.#isOver) return;
    const id = this.#synced.size;
    return new Promise((resolve) => {
      this.#synced.set(id, resolve);
      this.#thread.postMessage({ type: "sync", id });
    });
  }
  stop() {
    return this.#thread.terminate();
  }
}

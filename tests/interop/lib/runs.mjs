// Serves the platform's runs, each in a thread that has nothing else to do at the time.
import { Worker } from "node:worker_threads";

const script = new URL("../agent/run.mjs", import.meta.url);
/** Shows what the agents' runtime logs. */
const isLoud = process.env.HEADSTART_INTEROP_LOGS === "1";

export class Runs {
  /** Threads without a run: loading the runtime takes longer than most tests. */
  #idle = [new Thread()];
  #byChat = new Map();

  /** One request is one run; it is over when it is answered, and cancelled when it breaks off. */
  async serve(request, response) {
    let body = "";
    for await (const chunk of request) body += chunk;
    const secretKey = request.headers.authorization.replace("Bearer ", "");
    const message = { ...JSON.parse(body), secretKey };
    const thread = this.#idle.pop() ?? new Thread();
    const run = new Run(message.run.id, thread);
    const { chatId } = message.run.payload;
    this.#byChat.set(chatId, [...this.of(chatId), run]);
    response.once("close", () => run.isOver || thread.stop());
    run.ended = thread.execute(run, message);
    const error = await run.ended;
    run.isOver = true;
    if (!thread.isStopped) this.#idle.push(thread);
    response.statusCode = error ? 500 : 200;
    response.end(error);
  }

  /** What the runs of a chat have noted so far. */
  async notes(chatId, type) {
    const runs = this.of(chatId);
    await Promise.all(runs.map((run) => run.sync()));
    return runs.flatMap((run) => run.notes).filter((note) => note.type === type);
  }

  /** A chat's runs, the first one first. */
  of(chatId) {
    return this.#byChat.get(chatId) ?? [];
  }

  async stop() {
    const threads = new Set(this.#idle);
    for (const { thread } of [...this.#byChat.values()].flat()) threads.add(thread);
    await Promise.all([...threads].map((thread) => thread.stop()));
  }
}

class Run {
  notes = [];
  isOver = false;
  /** Resolves when it is, with the error if there was one. */
  ended;
  constructor(id, thread) {
    this.id = id;
    this.thread = thread;
  }
  /** Waits until everything that was noted has arrived. */
  async sync() {
    if (!this.isOver) await this.thread.sync();
  }
}

class Thread {
  isStopped = false;
  #worker = new Worker(script, { env: { PATH: process.env.PATH }, stdout: !isLoud, stderr: !isLoud });
  #run;
  #end;
  #synced = new Map();
  #syncs = 0;
  constructor() {
    this.#worker.on("message", (message) => {
      if (message.type === "note") this.#run.notes.push(message.note);
      else if (message.type === "ended") this.#end(message.error);
      else if (message.type === "synced") this.#synced.get(message.id)();
    });
    this.#worker.on("error", (error) => this.#over(String(error.stack ?? error)));
    this.#worker.on("exit", () => this.#over("the run was cancelled"));
  }
  /** Gives the error that the run ends with, if it does. */
  execute(run, message) {
    this.#run = run;
    return new Promise((resolve) => {
      this.#end = resolve;
      if (this.isStopped) resolve("the thread is gone");
      else this.#worker.postMessage({ type: "run", ...message });
    });
  }
  sync() {
    if (this.isStopped) return undefined;
    const id = this.#syncs++;
    return new Promise((resolve) => {
      this.#synced.set(id, resolve);
      this.#worker.postMessage({ type: "sync", id });
    });
  }
  stop() {
    return this.#worker.terminate();
  }
  #over(why) {
    this.isStopped = true;
    this.#end?.(why);
    for (const synced of this.#synced.values()) synced();
  }
}

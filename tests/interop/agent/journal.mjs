// What a run did, told to the thread that started it.
import { parentPort } from "node:worker_threads";

/** `event` is JSON; the thread that listens gets a copy. */
export function note(type, event) {
  parentPort.postMessage(JSON.parse(JSON.stringify({ type: "note", note: { type, ...event } })));
}

/**
 * The server's marks of a chat, followed while a turn runs and filed under the turn they belong to.
 * They only draw the time line: a server without them changes nothing else.
 */

/** Marks of the agent may trail the end of the answer by this much. */
const TRAIL_MS = 1500;

/** Wait before another attempt. */
const RETRY_MS = 250;
const MAX_ATTEMPTS = 8;

/** Bound on marks kept for one turn. */
const MAX_MARKS = 200;

/**
 * Follows the marks of `state.chatId` and adds them to its turns.
 * @returns {{finish: () => void}} `finish` ends the reading soon after
 */
export function followTimeline(api, state, changed) {
  const controller = new AbortController();
  read(api, state, changed, controller.signal);
  return { finish: () => setTimeout(() => controller.abort(), TRAIL_MS) };
}

/**
 * Files one mark. Its time counts from the chat's first POST (`zero`, epoch ms), that of a turn
 * from the turn's own send. Dropped: a mark seen before (the server replays them), and one of a
 * failed attempt that is no longer shown.
 * @returns {boolean} whether it was taken
 */
export function fileMark({ turns, zero }, mark) {
  if (typeof mark?.at !== 'number' || typeof mark.kind !== 'string') return false;
  const moment = zero + mark.at;
  const turn = turns.findLast((candidate) => candidate.sentAt <= moment);
  if (!turn) return false;
  const at = moment - turn.sentAt;
  const known = turn.events.some((event) => event.at === at && event.kind === mark.kind && event.detail === mark.detail);
  if (known || turn.events.length >= MAX_MARKS) return false;
  turn.events.push({ at, kind: mark.kind, detail: mark.detail });
  turn.events.sort((a, b) => a.at - b.at);
  return true;
}

async function read(api, state, changed, signal) {
  for (let attempt = 0; attempt < MAX_ATTEMPTS && !signal.aborted; attempt += 1) {
    if (attempt > 0) await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    try {
      for await (const mark of api.timeline(state.chatId, signal)) {
        if (fileMark(state, mark)) changed();
      }
    } catch {
      // Not there (yet), or the turn is over.
    }
  }
}

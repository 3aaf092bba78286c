/**
 * One chat: its state, and the life of a turn from send to turn-complete.
 *
 * The first message takes the head start (`POST /api/chat`) or the plain way (create, append,
 * read); every later one goes straight to the session. What a reload needs is handed to `save`:
 * the cursor moves only when a turn is over, so a reload in mid-turn replays the whole turn from
 * the session's durable stream and rebuilds the message.
 */
import { HttpError } from './api.js';
import { emptyMessage, reduce, settle } from './message.js';
import { uiChunks, sessionRecords } from './wire.js';
import { followTimeline } from './marks.js';

/** Fruitless reads in a row before a turn is given up. */
const MAX_FRUITLESS_READS = 5;

/** How long a stopped turn may take to close before the page stops listening. */
const STOP_DRAIN_MS = 10_000;

/** Record ids remembered to drop duplicates. */
const MAX_SEEN = 5000;

export class ChatSession {
  #api;
  #save;
  #changed;
  #run = null;
  #settled = Promise.resolve();

  /**
   * @param {import('./api.js').Api} api
   * @param {{state?: object, save?: (state: object) => void, changed?: (session: ChatSession) => void}} options
   */
  constructor(api, { state, save = () => {}, changed = () => {} } = {}) {
    this.#api = api;
    this.#save = save;
    this.#changed = changed;
    this.state = state ?? { chatId: crypto.randomUUID(), isStreaming: false, turns: [] };
  }

  get turns() {
    return this.state.turns;
  }

  /** Whether an answer is being shown right now. */
  get streaming() {
    return this.#run !== null && !this.#run.stopped;
  }

  /** Sends a message and follows its turn to the end. Failures end up in the turn's message. */
  async send(text, { headStart, id = crypto.randomUUID() }) {
    if (this.streaming) return;
    await this.#settled;
    const mode = this.state.publicAccessToken ? 'direct' : headStart ? 'head-start' : 'plain';
    const turn = { id, text, mode, sentAt: Date.now(), marks: {}, events: [] };
    if (mode !== 'direct') this.state.zero = turn.sentAt;
    this.turns.push(turn);
    await this.#follow(turn, false);
  }

  /** Sends the last message again, in place of its failed answer. */
  async retry({ headStart }) {
    const failed = this.turns.at(-1);
    if (this.streaming || !failed) return;
    this.turns.pop();
    // Without a token nobody knows how far the message got: with its old id it cannot count twice.
    const id = this.state.publicAccessToken ? undefined : failed.id;
    await this.send(failed.text, { headStart, id });
  }

  /** After a reload: goes on with the turn that was under way. */
  async resume() {
    const turn = this.turns.at(-1);
    if (this.state.isStreaming && turn) await this.#follow(turn, true);
  }

  /** Ends the answer: at once on this page, and on the agent's side by a stop on `session.in`. */
  async stop() {
    const run = this.#run;
    if (!run || run.stopped) return;
    run.stopped = true;
    run.turn.message = settle(run.turn.message, 'stopped');
    run.turn.marks.complete ??= Date.now() - run.turn.sentAt;
    this.#changed(this);
    setTimeout(() => run.reading.abort(), STOP_DRAIN_MS);
    // Before the first headers there is no token yet; the head start sends the stop itself then.
    if (this.state.publicAccessToken) await this.#sendStop(run);
  }

  /** Leaves the chat without ending its turn: the answer goes on in the session. */
  close() {
    this.#changed = () => {};
    this.#save = () => {};
    this.#run?.posting.abort();
    this.#run?.reading.abort();
  }

  #follow(turn, resumed) {
    const run = { turn, resumed, stopped: false, posting: new AbortController(), reading: new AbortController() };
    this.#run = run;
    this.#settled = this.#runTurn(run);
    return this.#settled;
  }

  async #runTurn(run) {
    const { turn, resumed } = run;
    this.#rebuild(run, turn.mode === 'head-start');
    if (!resumed) this.state.activeInputSeq = undefined;
    this.state.isStreaming = true;
    this.#persist();
    const marks = followTimeline(this.#api, this.state, () => this.#changed(this));
    try {
      if (turn.mode === 'head-start' && !this.state.publicAccessToken) await this.#headStart(run);
      else await this.#direct(run);
      if (!run.stopped) turn.message = settle(turn.message, 'done');
    } catch (error) {
      if (!run.stopped) turn.message = settle({ ...turn.message, error: error.message }, 'error');
    }
    if (!resumed) turn.marks.complete ??= Date.now() - turn.sentAt;
    this.state.isStreaming = false;
    this.#run = null;
    marks.finish();
    this.#persist();
  }

  async #headStart(run) {
    const { turn } = run;
    const response = await this.#api.headStart(this.state.chatId, userMessage(turn), run.posting.signal);
    const token = response.headers.get('X-Trigger-Chat-Access-Token');
    if (!token) throw new Error('The warm server sent no access token.');
    this.state.publicAccessToken = token;
    turn.marks.headers = Date.now() - turn.sentAt;
    this.#persist();
    if (run.stopped) await this.#sendStop(run);
    let complete = false;
    try {
      for await (const chunk of uiChunks(response.body)) {
        if (chunk.type === 'trigger:session-state') this.state.lastEventId = String(chunk.lastEventId);
        else if (chunk.type === 'trigger:turn-complete') complete = true;
        else this.#apply(run, chunk);
      }
    } catch (error) {
      if (run.reading.signal.aborted) throw error;
    }
    if (complete || this.state.lastEventId !== undefined) return;
    // The response was cut off or stopped; the session has the whole turn.
    this.#rebuild(run, true);
    await this.#readOut(run);
  }

  async #direct(run) {
    const { turn } = run;
    this.state.publicAccessToken ??= await this.#api.start(this.state.chatId);
    if (turn.mode !== 'head-start' && this.state.activeInputSeq === undefined) {
      const payload = { message: userMessage(turn), chatId: this.state.chatId, trigger: 'submit-message' };
      // The part id is the turn's own, so that a reload right here cannot send the message twice.
      this.state.activeInputSeq = await this.#authorized((token) =>
        this.#api.append(this.state.chatId, token, { kind: 'message', payload }, turn.id),
      );
      turn.marks.headers ??= Date.now() - turn.sentAt;
      this.#persist();
    }
    await this.#readOut(run);
  }

  /** Reads `session.out` until the turn-complete of this turn, over as many connections as needed. */
  async #readOut(run) {
    const { signal } = run.reading;
    const seen = new Set();
    let cursor = this.state.lastEventId;
    for (let fruitless = 0; fruitless <= MAX_FRUITLESS_READS; fruitless += 1) {
      if (fruitless > 0) await pause(Math.min(5000, 100 * 2 ** fruitless), signal);
      try {
        const peekSettled = run.resumed && this.state.activeInputSeq === undefined;
        const response = await this.#authorized((token) =>
          this.#api.readOut(this.state.chatId, token, { cursor, peekSettled, signal }),
        );
        for await (const record of sessionRecords(response.body)) {
          fruitless = 0;
          cursor = String(record.seq);
          if (this.#take(run, record, seen)) {
            this.state.lastEventId = cursor;
            return;
          }
        }
        if (response.headers.get('X-Session-Settled') === 'true') return;
      } catch (error) {
        if (signal.aborted || error.final || (error instanceof HttpError && error.status < 500)) throw error;
      }
    }
    throw new Error('The connection to the session was lost.');
  }

  /** @returns {boolean} whether this record ends the turn */
  #take(run, record, seen) {
    if (record.kind === 'data') {
      if (seen.has(record.id)) return false;
      seen.add(record.id);
      if (seen.size > MAX_SEEN) seen.delete(seen.values().next().value);
      this.#apply(run, record.chunk);
    } else if (record.control === 'turn-complete') {
      this.state.publicAccessToken = record.headers['public-access-token'] ?? this.state.publicAccessToken;
      if (!isOlder(record.headers, this.state.activeInputSeq)) return true;
      // The end of an earlier turn: whatever came before it is not this answer.
      this.#rebuild(run, false);
    } else if (record.control === 'session-closed') {
      throw Object.assign(new Error('This session is closed. Start a new chat.'), { final: true });
    }
    return false;
  }

  #apply(run, chunk) {
    if (run.stopped) return;
    const { turn } = run;
    const at = run.resumed ? null : Date.now() - turn.sentAt;
    const warm = turn.message.source === 'warm';
    turn.message = reduce(turn.message, chunk, at);
    if (at !== null) {
      if (chunk.type === 'text-delta' && turn.marks.firstText === undefined) this.#mark(turn, 'firstText', at);
      if (chunk.type === 'finish' && warm) turn.marks.step1End ??= at;
      else if (!warm && turn.mode === 'head-start') turn.marks.agentFirst ??= at;
    }
    this.#changed(this);
  }

  #mark(turn, name, at) {
    turn.marks[name] = at;
    this.#persist();
  }

  #rebuild(run, headStarted) {
    if (!run.stopped) run.turn.message = emptyMessage({ headStarted });
  }

  async #sendStop(run) {
    try {
      await this.#authorized((token) =>
        this.#api.append(this.state.chatId, token, { kind: 'stop' }, crypto.randomUUID()),
      );
    } catch {
      // The page has stopped showing the answer either way.
    }
    run.posting.abort();
  }

  /** Runs a call with the chat's token; renews the token once if it was refused. */
  async #authorized(call) {
    try {
      return await call(this.state.publicAccessToken);
    } catch (error) {
      if (error.status !== 401 && error.status !== 403) throw error;
      this.state.publicAccessToken = await this.#api.start(this.state.chatId);
      return call(this.state.publicAccessToken);
    }
  }

  /** A turn that still streams is stored without its message: resuming rebuilds it. */
  #persist() {
    const turns = this.turns.map((turn) => (turn === this.#run?.turn ? { ...turn, message: undefined } : turn));
    this.#save({ ...this.state, turns });
    this.#changed(this);
  }
}

/**
 * Whether a turn-complete belongs to a turn before the input with sequence number `seq`. The floor
 * (`session-in-event-id`) stays below a message that still waits; it is absent below zero.
 */
export function isOlder(headers, seq) {
  if (seq === undefined) return false;
  const floor = headers['session-in-event-id'];
  if (floor === undefined) return headers['session-in-consumed-id'] !== undefined;
  return Number(floor) < seq;
}

function userMessage(turn) {
  return { id: turn.id, role: 'user', parts: [{ type: 'text', text: turn.text }] };
}

function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => { clearTimeout(timer); reject(signal.reason); }, { once: true });
  });
}

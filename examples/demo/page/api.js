/**
 * The HTTP calls of the page, each with its deadline. No state, no turn rules.
 *
 * `/api/chat` and `/demo/*` are this page's own server; everything else goes to the sessions API
 * named in the demo's configuration, with the chat's own access token.
 */
import { sseEvents } from './wire.js';

/** How long a call may take to answer with its headers. */
const ANSWER_MS = 30_000;

/** How long a read waits for the next record before the server ends it (seconds). */
const LONG_POLL_SECONDS = 120;

/** An answer with a status other than 2xx. */
export class HttpError extends Error {
  constructor(what, response, detail) {
    super(`${what}: ${detail || `${response.status} ${response.statusText}`.trim()}`);
    this.status = response.status;
  }
}

/** What the server says about itself: `{api, model, platform, agent, bootMs}`. */
export async function fetchConfig() {
  return (await request('Reading the configuration', '/demo/config', {})).json();
}

export class Api {
  #base;

  /** @param {{api: string}} config */
  constructor(config) {
    this.#base = config.api.replace(/\/$/, '');
  }

  /** The head start: the first message of a chat goes to the warm server, which answers at once. */
  headStart(chatId, message, signal) {
    return request('The warm server refused the message', '/api/chat', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ chatId, headStartMessages: [message], trigger: 'submit-message' }),
      signal,
    });
  }

  /** The plain way: create the session, get its token. Also renews the token of a known session. */
  async start(chatId) {
    const response = await request('The session could not be started', `/api/chat/${encodeURIComponent(chatId)}/start`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: '{}',
    });
    return (await response.json()).publicAccessToken;
  }

  /**
   * Appends to `session.in`. The same `partId` is written once, however often it is sent.
   * @returns {Promise<number | undefined>} the record's sequence number, if the server tells
   */
  async append(chatId, token, input, partId) {
    const response = await request('The session refused the message', `${this.#session(chatId)}/in/append`, {
      method: 'POST',
      headers: { ...authorization(token), 'Content-Type': 'application/json', 'X-Part-Id': partId },
      body: JSON.stringify(input),
    });
    return (await response.json()).seq;
  }

  /** Reads `session.out` after `cursor` (undefined: from the first stored record). */
  readOut(chatId, token, { cursor, peekSettled = false, signal }) {
    const headers = { ...authorization(token), 'Timeout-Seconds': String(LONG_POLL_SECONDS) };
    if (cursor !== undefined) headers['Last-Event-ID'] = cursor;
    if (peekSettled) headers['X-Peek-Settled'] = '1';
    return request('The session could not be read', `${this.#session(chatId)}/out`, { headers, signal });
  }

  /** The server's own marks of a chat: `{at, kind, detail}`, `at` in ms since its first POST. */
  async *timeline(chatId, signal) {
    const response = await request('No time line', `/demo/timeline?chat=${encodeURIComponent(chatId)}`, { signal });
    for await (const { data } of sseEvents(response.body, 600_000)) {
      try {
        yield JSON.parse(data);
      } catch {
        // A mark that cannot be read is a mark less on a picture.
      }
    }
  }

  #session(chatId) {
    return `${this.#base}/realtime/v1/sessions/${encodeURIComponent(chatId)}`;
  }
}

function authorization(token) {
  return { Authorization: `Bearer ${token}`, 'X-Trigger-Source': 'sdk' };
}

/** `fetch` that gives up when no headers come, and fails on a status other than 2xx. */
async function request(what, url, { signal, ...init }) {
  const deadline = new AbortController();
  const timer = setTimeout(() => deadline.abort(new Error(`${what}: no answer.`)), ANSWER_MS);
  const signals = signal ? [signal, deadline.signal] : [deadline.signal];
  let response;
  try {
    response = await fetch(url, { ...init, signal: AbortSignal.any(signals) });
  } catch (error) {
    if (signal?.aborted || deadline.signal.aborted) throw error;
    throw new Error(`${what}: the server cannot be reached.`, { cause: error });
  } finally {
    clearTimeout(timer);
  }
  if (!response.ok) throw new HttpError(what, response, await problem(response));
  return response;
}

/** The human part of a JSON error body, if there is one. */
async function problem(response) {
  try {
    const body = await response.json();
    return body.detail ?? body.error?.message ?? body.error ?? body.title;
  } catch {
    return undefined;
  }
}

/**
 * Reading Server-Sent Events, in the two formats a chat meets:
 *
 * - the response of `POST /api/chat`: each event is one UI chunk, `data: {json}`;
 * - a session's `out` stream: `batch` events with numbered records.
 *
 * Nothing here knows about turns or the DOM. Anything that does not parse is skipped, as the
 * stock browser transport does; comment lines keep a connection alive and carry nothing.
 */

/** Longest single line (in UTF-16 units) kept while waiting for its end. */
const MAX_LINE = 8 * 1024 * 1024;

/** Longest silence on an open stream. Both servers ping well inside it. */
const IDLE_MS = 60_000;

/**
 * The chunks of a head-start response, in order.
 * @param {ReadableStream<Uint8Array>} body
 */
export async function* uiChunks(body) {
  for await (const { data } of sseEvents(body)) {
    const chunk = parseJson(data);
    if (typeof chunk?.type === 'string') yield chunk;
  }
}

/**
 * The records of a session stream, in order; see `decodeRecord` for their shape.
 * Ends at `[DONE]` or at the end of the body; an `error` event is thrown.
 * @param {ReadableStream<Uint8Array>} body
 */
export async function* sessionRecords(body) {
  for await (const { event, data } of sseEvents(body)) {
    if (event === 'error') throw new Error(data || 'The session stream failed.');
    if (data === '[DONE]') return;
    if (event !== 'batch') continue;
    const records = parseJson(data)?.records;
    if (!Array.isArray(records)) continue;
    for (const record of records) yield decodeRecord(record);
  }
}

/**
 * One stored record as one of
 *
 * - `{kind: 'data', seq, id, chunk}`: a UI chunk;
 * - `{kind: 'control', seq, control, headers}`: for example `turn-complete`;
 * - `{kind: 'other', seq}`: storage commands and anything unreadable. It still moves the cursor.
 */
export function decodeRecord(record) {
  const seq = record.seq_num;
  const pairs = Array.isArray(record.headers) ? record.headers : [];
  if (pairs.length > 0 && pairs[0][0] === '') return { kind: 'other', seq };
  const headers = Object.fromEntries(pairs);
  if (Object.hasOwn(headers, 'trigger-control')) {
    return { kind: 'control', seq, control: headers['trigger-control'], headers };
  }
  const envelope = parseJson(record.body);
  if (typeof envelope?.data?.type !== 'string') return { kind: 'other', seq };
  return { kind: 'data', seq, id: envelope.id, chunk: envelope.data };
}

/**
 * All events of a body. Cancels the body when the consumer leaves early.
 * @param {ReadableStream<Uint8Array>} body
 */
export async function* sseEvents(body, idleMs = IDLE_MS) {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  const parser = new SseParser();
  try {
    for (;;) {
      const { done, value } = await withDeadline(reader.read(), idleMs);
      if (done) break;
      yield* parser.push(decoder.decode(value, { stream: true }));
    }
    yield* parser.push(decoder.decode());
    yield* parser.end();
  } finally {
    reader.cancel().catch(() => {});
  }
}

/** An incremental parser: text in, complete events out, however the text was cut. */
export class SseParser {
  #rest = '';
  #event = 'message';
  #data = [];

  /** @returns {{event: string, data: string}[]} the events that `text` completed */
  push(text) {
    const events = [];
    let buffer = this.#rest + text;
    for (;;) {
      const end = buffer.search(/[\r\n]/);
      // A lone CR at the very end may be the first half of CRLF: wait for what follows.
      if (end < 0 || (buffer[end] === '\r' && end === buffer.length - 1)) break;
      const width = buffer.startsWith('\r\n', end) ? 2 : 1;
      this.#line(buffer.slice(0, end), events);
      buffer = buffer.slice(end + width);
    }
    if (buffer.length > MAX_LINE) throw new Error('An event is too long.');
    this.#rest = buffer;
    return events;
  }

  /** The last event, when the stream ended without the blank line after it. */
  end() {
    const events = [];
    if (this.#rest) this.#line(this.#rest.replace(/\r$/, ''), events);
    this.#line('', events);
    this.#rest = '';
    return events;
  }

  #line(line, events) {
    if (line === '') {
      if (this.#data.length > 0) events.push({ event: this.#event, data: this.#data.join('\n') });
      this.#event = 'message';
      this.#data = [];
      return;
    }
    const colon = line.indexOf(':');
    if (colon === 0) return;
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'data') this.#data.push(value);
    else if (field === 'event') this.#event = value;
  }
}

function parseJson(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

async function withDeadline(promise, ms) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error('The stream went silent.')), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

// Run with `node --test`.
import assert from 'node:assert/strict';
import test from 'node:test';
import { SseParser, decodeRecord, sessionRecords, sseEvents, uiChunks } from './wire.js';

/** A body that arrives in the given pieces (strings or bytes). */
function body(...pieces) {
  const encoder = new TextEncoder();
  return new ReadableStream({
    start(controller) {
      for (const piece of pieces) controller.enqueue(typeof piece === 'string' ? encoder.encode(piece) : piece);
      controller.close();
    },
  });
}

async function collect(iterable) {
  const all = [];
  for await (const item of iterable) all.push(item);
  return all;
}

const RESPONSE =
  ': ping\n\ndata: {"type":"start","messageId":"m"}\n\ndata: {"type":"text-delta","id":"0","delta":"Grüße 🌍"}\n\n' +
  'id: 7\ndata: {"type":"finish","finishReason":"stop"}\n\n';

test('chunks are the same however the bytes are cut', async () => {
  const bytes = new TextEncoder().encode(RESPONSE);
  const whole = await collect(uiChunks(body(RESPONSE)));
  assert.deepEqual(whole.map(({ type }) => type), ['start', 'text-delta', 'finish']);
  assert.equal(whole[1].delta, 'Grüße 🌍');
  for (let cut = 1; cut < bytes.length; cut += 1) {
    assert.deepEqual(await collect(uiChunks(body(bytes.slice(0, cut), bytes.slice(cut)))), whole);
  }
});

test('line ends may be LF, CRLF or CR, also when CRLF is cut in two', () => {
  const parser = new SseParser();
  const events = [...parser.push('data: a\r'), ...parser.push('\n\r\ndata: b\r\rdata: c\n\n'), ...parser.end()];
  assert.deepEqual(events.map(({ data }) => data), ['a', 'b', 'c']);
});

test('comments, [DONE], broken JSON and values without a type are skipped', async () => {
  const chunks = await collect(
    uiChunks(body(': hi\n\ndata: [DONE]\n\ndata: {"type":\n\ndata: 1\n\ndata: null\n\ndata: {}\n\ndata: {"type":"x"}\n\n')),
  );
  assert.deepEqual(chunks, [{ type: 'x' }]);
});

test('a last event without a blank line counts', async () => {
  assert.deepEqual(await collect(uiChunks(body('data: {"type":"finish"}'))), [{ type: 'finish' }]);
});

test('data over several lines is joined by line feeds', () => {
  assert.deepEqual(new SseParser().push('event: e\ndata: a\ndata:b\n\n'), [{ event: 'e', data: 'a\nb' }]);
});

test('a line without end is refused before it fills the memory', () => {
  assert.throws(() => new SseParser().push('x'.repeat(9 * 1024 * 1024)), /too long/);
});

test('silence on an open stream ends in an error', async () => {
  const silent = new ReadableStream({});
  await assert.rejects(collect(sseEvents(silent, 10)), /silent/);
});

test('records are told apart: command, control, data', () => {
  assert.deepEqual(decodeRecord({ seq_num: 1, body: 'AAAA', headers: [['', 'trim']] }), { kind: 'other', seq: 1 });
  assert.deepEqual(
    decodeRecord({ seq_num: 2, headers: [['trigger-control', 'turn-complete'], ['session-in-event-id', '4']] }),
    { kind: 'control', seq: 2, control: 'turn-complete', headers: { 'trigger-control': 'turn-complete', 'session-in-event-id': '4' } },
  );
  assert.deepEqual(
    decodeRecord({ seq_num: 3, body: '{"data":{"type":"finish"},"id":"abc"}' }),
    { kind: 'data', seq: 3, id: 'abc', chunk: { type: 'finish' } },
  );
});

test('a record that cannot be read still moves the cursor', () => {
  assert.deepEqual(decodeRecord({ seq_num: 4, body: '{oops' }), { kind: 'other', seq: 4 });
  assert.deepEqual(decodeRecord({ seq_num: 5 }), { kind: 'other', seq: 5 });
});

test('a session stream yields the records of its batches and ends at [DONE]', async () => {
  const batch = JSON.stringify({ records: [{ seq_num: 0, body: '{"data":{"type":"start"},"id":"a"}' }, { seq_num: 1 }] });
  const records = await collect(
    sessionRecords(body(`event: ping\ndata: {"timestamp":1}\n\nevent: batch\nid: 1,2,3\ndata: ${batch}\n\ndata: [DONE]\n\nevent: batch\ndata: ${batch}\n\n`)),
  );
  assert.deepEqual(records.map(({ kind, seq }) => [kind, seq]), [['data', 0], ['other', 1]]);
});

test('an error event of a session stream is thrown', async () => {
  await assert.rejects(collect(sessionRecords(body('event: error\ndata: stream gone\n\n'))), /stream gone/);
});

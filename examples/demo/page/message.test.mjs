// Run with `node --test`.
import assert from 'node:assert/strict';
import test from 'node:test';
import { emptyMessage, plainText, reduce, settle } from './message.js';

const fold = (chunks, message = emptyMessage({ headStarted: true })) =>
  chunks.reduce((so_far, chunk) => reduce(so_far, chunk), message);

const STEP_1 = [
  { type: 'start', messageId: 'm' },
  { type: 'start-step' },
  { type: 'reasoning-start', id: 'r' },
  { type: 'reasoning-delta', id: 'r', delta: 'hm' },
  { type: 'reasoning-end', id: 'r' },
  { type: 'text-start', id: '0' },
  { type: 'text-delta', id: '0', delta: 'Let me ' },
  { type: 'text-delta', id: '0', delta: 'look.' },
  { type: 'text-end', id: '0' },
  { type: 'tool-input-start', toolCallId: 't', toolName: 'weather' },
  { type: 'tool-input-delta', toolCallId: 't', inputTextDelta: '{"city":' },
  { type: 'tool-input-available', toolCallId: 't', toolName: 'weather', input: { city: 'Paris' } },
  { type: 'finish-step' },
  { type: 'finish', finishReason: 'tool-calls' },
];
const STEP_2 = [
  { type: 'start', messageId: 'm' },
  { type: 'tool-output-available', toolCallId: 't', output: { sky: 'clear' } },
  { type: 'start-step' },
  { type: 'text-start', id: '0' },
  { type: 'text-delta', id: '0', delta: 'Clear.' },
  { type: 'finish-step' },
  { type: 'finish', finishReason: 'stop' },
];

test('both steps of a head-started turn make one message, each part with its source', () => {
  const message = fold([...STEP_1, ...STEP_2]);
  assert.equal(message.id, 'm');
  assert.deepEqual(
    message.parts.map(({ type, source, outputSource }) => [type, source, outputSource]),
    [['reasoning', 'warm', undefined], ['text', 'warm', undefined], ['tool', 'warm', 'agent'], ['text', 'agent', undefined]],
  );
  assert.equal(plainText(message), 'Let me look.\n\nClear.');
});

test('a turn without a head start is the agent\'s alone', () => {
  const message = fold(STEP_1, emptyMessage());
  assert.ok(message.parts.every(({ source }) => source === 'agent'));
});

test('a tool card goes from input over running to its result', () => {
  const states = [];
  let message = emptyMessage();
  for (const chunk of [...STEP_1.slice(9, 12), STEP_2[1]]) {
    message = reduce(message, chunk);
    states.push(message.parts[0].state);
  }
  assert.deepEqual(states, ['input-streaming', 'input-streaming', 'input-available', 'output-available']);
  assert.deepEqual(message.parts[0].output, { sky: 'clear' });
});

test('failed input, failed run and denial all end in an error with a text', () => {
  for (const last of [
    { type: 'tool-input-error', toolCallId: 't', toolName: 'weather', input: '{bad', errorText: 'no' },
    { type: 'tool-output-error', toolCallId: 't', errorText: 'no' },
    { type: 'tool-output-denied', toolCallId: 't' },
  ]) {
    const part = fold([STEP_1[11], last]).parts[0];
    assert.equal(part.state, 'output-error');
    assert.ok(part.errorText);
  }
});

test('a result without its call is ignored', () => {
  assert.deepEqual(fold([STEP_2[1]]).parts, []);
});

test('a text id that comes back in a later step opens a new part', () => {
  const texts = fold([...STEP_1, ...STEP_2]).parts.filter(({ type }) => type === 'text');
  assert.deepEqual(texts.map(({ text }) => text), ['Let me look.', 'Clear.']);
});

test('a start with the same id changes nothing', () => {
  const message = fold(STEP_1);
  assert.equal(reduce(message, STEP_2[0]), message);
});

test('a redo by the agent (another id) replaces what came before', () => {
  const message = fold([...STEP_1.slice(0, 8), { type: 'start', messageId: 'n' }, ...STEP_2.slice(2, 5)]);
  assert.equal(message.id, 'n');
  assert.deepEqual(message.parts.map(({ text, source }) => [text, source]), [['Clear.', 'agent']]);
});

test('reset-step drops the parts of the running step only', () => {
  const message = fold([...STEP_1, ...STEP_2.slice(0, 5), { type: 'reset-step' }]);
  assert.deepEqual(message.parts.map(({ type }) => type), ['reasoning', 'text', 'tool']);
});

test('finish-step closes open text', () => {
  assert.equal(fold([...STEP_1, ...STEP_2.slice(0, 6)]).parts.at(-1).state, 'done');
});

test('an error chunk fails the message, and a later settle keeps that', () => {
  const message = settle(fold([...STEP_1.slice(0, 7), { type: 'error', errorText: 'overloaded' }]), 'done');
  assert.equal(message.status, 'error');
  assert.equal(message.error, 'overloaded');
  assert.equal(message.parts.at(-1).state, 'done');
});

test('stopping leaves no part running', () => {
  const message = settle(fold(STEP_1), 'stopped');
  assert.equal(message.status, 'stopped');
  assert.deepEqual(message.parts.map(({ state }) => state), ['done', 'done', 'stopped']);
});

test('a step changes no message in place and shares untouched parts', () => {
  const before = fold(STEP_1);
  const copy = structuredClone(before);
  const after = fold(STEP_2, before);
  assert.deepEqual(before, copy);
  assert.equal(after.parts[0], before.parts[0]);
  assert.notEqual(after.parts[2], before.parts[2]);
});

test('unknown chunks change nothing', () => {
  const message = fold(STEP_1);
  for (const type of ['data-x', 'custom', 'source-url', 'steering-message']) assert.equal(reduce(message, { type }), message);
});

test('each part knows when it began, and a replayed one does not', () => {
  const chunk = { type: 'text-start', id: '0' };
  assert.equal(reduce(emptyMessage(), chunk, 312).parts[0].at, 312);
  assert.equal(reduce(emptyMessage(), chunk).parts[0].at, null);
});

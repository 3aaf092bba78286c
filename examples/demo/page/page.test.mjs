// The small pure rules of the page: markdown, time-line lanes, marks, turn boundaries.
// Run with `node --test`.
import assert from 'node:assert/strict';
import test from 'node:test';
import { axisOf, formatMs, timelineOf } from './lanes.js';
import { parse, parseInline } from './markdown.js';
import { fileMark } from './marks.js';
import { isOlder } from './session.js';

test('markdown blocks are told apart', () => {
  const blocks = parse('# Title\n\ntext\nmore\n\n- a\n- b\n  - c\n\n```rust\nlet x;\n\n```\n> q\n\n---\n2. two');
  assert.deepEqual(blocks.map(({ type }) => type), ['h', 'p', 'list', 'code', 'quote', 'hr', 'list']);
  assert.equal(blocks[2].items.length, 2);
  assert.equal(blocks[2].items[1].children[0].type, 'list');
  assert.deepEqual(blocks[3], { type: 'code', lang: 'rust', text: 'let x;\n' });
  assert.equal(blocks[6].start, 2);
});

test('a code block that is still streaming is a code block', () => {
  assert.deepEqual(parse('```js\nlet a = **1'), [{ type: 'code', lang: 'js', text: 'let a = **1' }]);
});

test('any prefix of a text parses', () => {
  const text = '**bold** `code` *em* [a](https://a.b)\n\n1. x\n   - y\n\n~~~\nz\n~~~\n> q';
  for (let end = 0; end <= text.length; end += 1) assert.ok(Array.isArray(parse(text.slice(0, end))));
});

test('inline spans nest, and underscores inside words stay', () => {
  assert.deepEqual(parseInline('**a `b`**').map(({ type }) => type), ['strong']);
  assert.deepEqual(parseInline('snake_case_name'), [{ type: 'text', text: 'snake_case_name' }]);
});

test('only http links become links', () => {
  assert.deepEqual(parseInline('[x](javascript:alert(1))').map(({ type }) => type), ['text']);
  assert.equal(parseInline('[x](https://a.b)')[0].href, 'https://a.b');
});

const EVENTS = [
  ['create-start', 0], ['model-start', 2], ['create-end', 40], ['run-triggered', 41], ['model-first-byte', 180], ['first-text', 182],
  ['handover-sent', 400], ['run-booted', 940], ['handover-received', 945], ['tool-start', 950], ['tool-end', 1100], ['step2-first', 1200], ['turn-complete', 1900],
].map(([kind, at]) => ({ kind, at }));

test('a full set of marks draws all lanes, step 1 by the warm server', () => {
  const turn = { mode: 'head-start', marks: { headers: 45, firstText: 190, complete: 1910 }, events: EVENTS };
  const { lanes, total } = timelineOf(turn, 5000);
  assert.deepEqual(lanes.map(({ label }) => label), ['You see', 'Session', 'Step 1', 'Agent boot', 'Handover', 'Tool', 'Step 2']);
  assert.deepEqual(lanes[2].bars.map(({ from, to, source }) => [from, to, source]), [[2, 180, 'warm'], [180, 400, 'warm']]);
  assert.equal(total, 1910);
});

test('without the server\'s marks the browser\'s own still draw', () => {
  const turn = { mode: 'head-start', marks: { headers: 45, firstText: 190, agentFirst: 950, complete: 1910 }, events: [] };
  assert.deepEqual(timelineOf(turn, 5000).lanes.map(({ label }) => label), ['You see', 'Step 2']);
});

test('an open bar reaches to now, and unknown marks are kept as ticks', () => {
  const turn = { mode: 'plain', marks: {}, events: [{ kind: 'run-triggered', at: 50 }, { kind: 'coffee', at: 60 }] };
  const { lanes } = timelineOf(turn, 700);
  assert.deepEqual(lanes.find(({ label }) => label === 'Agent boot').bars.map(({ from, to }) => [from, to]), [[50, 700]]);
  assert.deepEqual(lanes.find(({ label }) => label === 'Other').ticks, [{ label: 'coffee', at: 60 }]);
});

test('the axis is round and covers the total', () => {
  for (const total of [0, 1, 99, 940, 2340, 61_000]) {
    const { end, ticks } = axisOf(total);
    assert.ok(end >= total && ticks.length >= 2 && ticks.length <= 6, `${total}: ${ticks}`);
  }
  assert.equal(formatMs(999.4), '999 ms');
  assert.equal(formatMs(1240), '1.24 s');
});

test('a mark goes to the turn that was under way, once', () => {
  const state = { zero: 1000, turns: [{ sentAt: 1000, events: [] }, { sentAt: 5000, events: [] }] };
  assert.ok(fileMark(state, { at: 120, kind: 'create-end' }));
  assert.ok(!fileMark(state, { at: 120, kind: 'create-end' }));
  assert.ok(fileMark(state, { at: 4100, kind: 'tool-start' }));
  assert.deepEqual(state.turns.map(({ events }) => events.map(({ at }) => at)), [[120], [100]]);
});

test('marks of a failed attempt that was replaced are dropped', () => {
  const state = { zero: 1000, turns: [{ sentAt: 5000, events: [] }] };
  assert.ok(!fileMark(state, { at: 120, kind: 'create-end' }));
});

test('a turn-complete below the own input belongs to an older turn', () => {
  assert.ok(isOlder({ 'session-in-event-id': '1' }, 2));
  assert.ok(!isOlder({ 'session-in-event-id': '2' }, 2));
  assert.ok(isOlder({ 'session-in-consumed-id': '0' }, 0), 'no floor means that the input still waits');
  assert.ok(!isOlder({}, 2), 'nothing to compare');
  assert.ok(!isOlder({ 'session-in-event-id': '0' }, undefined), 'a head start has no input of its own');
});

/**
 * From a turn's marks to the lanes of its time line. Pure: numbers in, numbers out.
 *
 * All times are ms since the message was sent. A bar without an end is still going on and reaches
 * to `now`. Marks that are missing leave out their bar; unknown ones become ticks of their own.
 */

/** Kinds that lanes are drawn from; any other kind lands in the lane "Other". */
const KNOWN = new Set([
  'create-start', 'create-end', 'model-start', 'model-first-byte', 'first-text', 'run-triggered', 'run-booted',
  'handover-sent', 'handover-received', 'tool-start', 'tool-end', 'step2-first', 'turn-complete',
]);

/**
 * @param {{mode: string, marks: object, events: {at: number, kind: string, detail?: string}[]}} turn
 * @param {number} now ms since the turn was sent, for bars that are still open
 * @returns {{total: number, firstText?: number, lanes: {label: string, bars: object[], ticks: object[]}[]}}
 */
export function timelineOf(turn, now) {
  const { marks, events } = turn;
  const end = marks.complete ?? now;
  const last = (kind) => events.findLast((event) => event.kind === kind)?.at;
  const first = (kind) => events.find((event) => event.kind === kind)?.at;
  const agentEnd = last('turn-complete') ?? marks.complete ?? now;
  const stepOne = turn.mode === 'head-start' ? 'warm' : 'agent';

  const lanes = [
    lane('You see', [
      bar('waiting', 0, marks.firstText ?? end, 'browser', true),
      bar('answer', marks.firstText, end, 'browser'),
    ], [tick('headers', marks.headers)]),
    lane('Session', pairs(events, 'create-start', 'create-end', end, 'warm', 'create session')),
    lane(turn.mode === 'head-start' ? 'Step 1' : 'Model', [
      ...pairs(events, 'model-start', 'model-first-byte', end, stepOne, 'model, until its first byte', true),
      ...stepOneText(events, marks, agentEnd, stepOne),
    ], [tick('first text leaves the server', first('first-text'))]),
    lane('Agent boot', pairs(events, 'run-triggered', 'run-booted', end, 'agent', 'boot', true)),
    lane('Handover', pairs(events, 'handover-sent', 'handover-received', end, 'handover', 'handover')),
    lane('Tool', pairs(events, 'tool-start', 'tool-end', end, 'agent', 'tool')),
    lane('Step 2', [bar('step 2', first('step2-first') ?? stepTwoSeen(turn), agentEnd, 'agent')]),
    lane('Other', [], events.filter(({ kind }) => !KNOWN.has(kind)).map(({ kind, at }) => tick(kind, at))),
  ].filter(({ bars, ticks }) => bars.length > 0 || ticks.length > 0);

  const latest = events.reduce((most, { at }) => Math.max(most, at), end);
  return { total: latest, firstText: marks.firstText, lanes };
}

/** Round tick values from 0, and the axis' end, at or after `total`. */
export function axisOf(total, wanted = 4) {
  const rough = Math.max(total, 100) / wanted;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= rough);
  const count = Math.ceil(Math.max(total, 100) / step);
  return { end: count * step, ticks: Array.from({ length: count + 1 }, (_, index) => index * step) };
}

/** `840 ms`, `1.24 s`. */
export function formatMs(ms) {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(2)} s`;
}

/** From the model's first byte to whatever ends its step. */
function stepOneText(events, marks, end, source) {
  return events.filter(({ kind }) => kind === 'model-first-byte').map(({ at }) => {
    const next = events.find((event) => event.at >= at && ['handover-sent', 'tool-start', 'turn-complete'].includes(event.kind));
    return bar('text and tool calls', at, source === 'warm' ? (next?.at ?? marks.step1End ?? end) : (next?.at ?? end), source);
  });
}

/** Without the agent's own marks, its share begins where the page first saw it. */
function stepTwoSeen({ events, marks }) {
  return events.some(({ kind }) => kind === 'tool-start' || kind === 'handover-received') ? undefined : marks.agentFirst;
}

function pairs(events, startKind, endKind, end, source, label, waiting = false) {
  const ends = events.filter(({ kind }) => kind === endKind);
  return events
    .filter(({ kind }) => kind === startKind)
    .map(({ at, detail }, index) => bar(detail ? `${label}: ${detail}` : label, at, ends[index]?.at ?? end, source, waiting));
}

function lane(label, bars, ticks = []) {
  return { label, bars: bars.filter(Boolean), ticks: ticks.filter(Boolean) };
}

function bar(label, from, to, source, waiting = false) {
  return from === undefined || to < from ? null : { label, from, to, source, waiting };
}

function tick(label, at) {
  return at === undefined ? null : { label, at };
}

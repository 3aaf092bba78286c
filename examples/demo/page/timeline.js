/**
 * The time line of a turn as a small Gantt chart: one row for each lane of `lanes.js`, a ms axis,
 * and a line where the first text appeared. Several turns share one axis, so that they compare.
 */
import { h } from './dom.js';
import { axisOf, formatMs, timelineOf } from './lanes.js';

/**
 * @param {HTMLElement} root
 * @param {{title: string, turn: object, now: number}[]} entries what to draw, top-down
 */
export function renderTimelines(root, entries) {
  const charts = entries.map(({ title, turn, now }) => ({ title, ...timelineOf(turn, now) }));
  const axis = axisOf(Math.max(0, ...charts.map(({ total }) => total)));
  const picture = JSON.stringify([charts, axis], (_, value) => (typeof value === 'number' ? Math.round(value) : value));
  if (root.picture === picture) return;
  root.picture = picture;
  root.replaceChildren(...charts.map((chart) => chartNode(chart, axis)));
}

function chartNode({ title, total, firstText, lanes }, axis) {
  const share = (ms) => `${((100 * Math.min(ms, axis.end)) / axis.end).toFixed(2)}%`;
  const plot = h('div', { class: 'plot', role: 'list', 'aria-label': `${title}, ${formatMs(total)}` });
  plot.append(gridNode(axis, share), ...lanes.map((lane) => laneNode(lane, share)));
  if (firstText !== undefined) plot.append(firstTextNode(firstText, share));
  return h(
    'figure',
    { class: 'chart' },
    h(
      'figcaption',
      {},
      h('span', {}, title),
      firstText !== undefined && h('span', { class: 'first number' }, `first text ${formatMs(firstText)}`),
      h('span', { class: 'number' }, `${formatMs(total)} in all`),
    ),
    plot,
    axisNode(axis, share),
  );
}

function laneNode({ label, bars, ticks }, share) {
  const track = h('div', { class: 'track' });
  for (const { label: name, from, to, source, waiting } of bars) {
    const bar = h('span', { class: waiting ? 'bar is-waiting' : 'bar', 'data-source': source, title: describe(name, from, to) });
    bar.style.left = share(from);
    bar.style.width = `calc(${share(to)} - ${share(from)})`;
    track.append(bar);
  }
  for (const { label: name, at } of ticks) {
    const tick = h('span', { class: 'tick', title: `${name}: ${formatMs(at)}` });
    tick.style.left = share(at);
    track.append(tick);
  }
  const spoken = [
    ...bars.map(({ label: name, from, to }) => describe(name, from, to)),
    ...ticks.map(({ label: name, at }) => `${name} at ${formatMs(at)}`),
  ].join('; ');
  return h('div', { class: 'lane', role: 'listitem', 'aria-label': `${label}: ${spoken}` }, h('span', { class: 'lane-label' }, label), track);
}

function gridNode(axis, share) {
  const grid = h('div', { class: 'grid', 'aria-hidden': 'true' });
  for (const tick of axis.ticks) {
    const line = h('i');
    line.style.left = share(tick);
    grid.append(line);
  }
  return grid;
}

function firstTextNode(at, share) {
  const line = h('div', { class: 'first-line', 'aria-hidden': 'true' }, h('span'));
  line.firstChild.style.left = share(at);
  return line;
}

function axisNode(axis, share) {
  const node = h('div', { class: 'axis', 'aria-hidden': 'true' });
  const inSeconds = axis.end >= 10_000;
  for (const tick of axis.ticks) {
    const label = h('span', {}, inSeconds ? `${tick / 1000} s` : tick === axis.end ? `${tick} ms` : String(tick));
    label.style.left = share(tick);
    node.append(label);
  }
  return node;
}

function describe(name, from, to) {
  return `${name}, ${formatMs(from)} to ${formatMs(to)} (${formatMs(to - from)})`;
}

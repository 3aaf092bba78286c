/**
 * The race: one question, two fresh chats, the head start on and off, side by side. Both chats are
 * ordinary; they are only not kept.
 */
import { h } from './dom.js';
import { formatMs } from './lanes.js';
import { ChatSession } from './session.js';
import { TurnView } from './view.js';

const LANES = [
  { key: 'on', title: 'Head start on', headStart: true },
  { key: 'off', title: 'Head start off', headStart: false },
];

export class Comparison {
  #lanes;

  /**
   * Starts both chats at once.
   * @param changed called with a session whenever it changed
   */
  constructor(api, text, { changed, close }) {
    this.text = text;
    this.#lanes = LANES.map(({ key, title, headStart }) => {
      const session = new ChatSession(api, { changed });
      const clock = h('span', { class: 'clock number', 'data-testid': `compare-clock-${key}` });
      const body = h('div', { class: 'race-body' });
      const node = h(
        'section',
        { class: 'race-lane', 'data-lane': key, 'data-testid': `compare-${key}`, 'aria-label': title },
        h('header', {}, h('span', { class: 'race-title' }, title), clock, h('span', { class: 'clock-label' }, 'to first text')),
        body,
      );
      return { title, session, clock, body, node, headStart, view: null };
    });
    this.node = h(
      'div',
      { class: 'race', 'data-testid': 'compare-view' },
      h(
        'div',
        { class: 'race-head' },
        h('div', { class: 'bubble' }, text),
        h('button', { class: 'button', type: 'button', 'data-testid': 'compare-close', onclick: close }, 'Close'),
      ),
      h('div', { class: 'race-lanes' }, ...this.#lanes.map(({ node }) => node)),
    );
    for (const { session, headStart } of this.#lanes) session.send(text, { headStart });
  }

  get streaming() {
    return this.#lanes.some(({ session }) => session.streaming);
  }

  /** What the time-line panel shows: both turns on one axis. */
  get entries() {
    return this.#lanes.flatMap(({ title, session }) => {
      const turn = session.turns[0];
      return turn ? [{ title, turn, now: Date.now() - turn.sentAt }] : [];
    });
  }

  render() {
    for (const lane of this.#lanes) {
      const turn = lane.session.turns[0];
      if (!turn?.message) continue;
      if (!lane.view) {
        lane.view = new TurnView(turn, {}, { bare: true });
        lane.body.append(lane.view.node);
      }
      lane.view.update(turn, { last: true });
      const { firstText, complete } = turn.marks;
      lane.clock.textContent = formatMs(firstText ?? complete ?? Date.now() - turn.sentAt);
      lane.clock.classList.toggle('is-running', firstText === undefined && complete === undefined);
    }
  }

  stop() {
    for (const { session } of this.#lanes) session.stop();
  }

  /** Forgets both chats; a turn under way is stopped. */
  close() {
    for (const { session } of this.#lanes) {
      if (session.streaming) session.stop();
      else session.close();
    }
    this.node.remove();
  }
}

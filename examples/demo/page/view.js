/**
 * The conversation on the page: one user bubble and one assistant message for each turn. Nodes are
 * kept between renders; only what changed is touched.
 */
import { h, icon } from './dom.js';
import { formatMs } from './lanes.js';
import { PartView } from './part.js';

/** How a turn reached its model, in the words of the chip above its answer. */
const MODES = {
  'head-start': { label: 'head start', title: 'The warm server answered while the agent booted' },
  plain: { label: 'no head start', title: 'The answer waited for the agent to boot' },
  direct: { label: 'direct to session', title: 'Straight to the session: the warm server took no part' },
};

/** Distance from the end (px) within which new text keeps the view at the end. */
const STICKY_PX = 80;

/** All turns of a chat, inside a scrolling element. */
export class Conversation {
  #scroller;
  #list;
  #actions;
  #views = new Map();
  #sticky = true;

  /** @param actions `{retry(), select(turn)}` */
  constructor(scroller, list, actions) {
    this.#scroller = scroller;
    this.#list = list;
    this.#actions = actions;
    scroller.addEventListener('scroll', () => {
      this.#sticky = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < STICKY_PX;
    }, { passive: true });
  }

  render(turns, { streaming, selected }) {
    const ids = new Set(turns.map(({ id }) => id));
    for (const [id, view] of this.#views) {
      if (ids.has(id)) continue;
      view.node.remove();
      this.#views.delete(id);
    }
    for (const turn of turns) {
      let view = this.#views.get(turn.id);
      if (!view) {
        view = new TurnView(turn, this.#actions);
        this.#views.set(turn.id, view);
        this.#list.append(view.node);
        this.#sticky = true;
      }
      view.update(turn, { last: turn === turns.at(-1), selected: turns.length > 1 && turn === selected });
    }
    this.#list.setAttribute('aria-busy', String(streaming));
    if (this.#sticky) this.#scroller.scrollTop = this.#scroller.scrollHeight;
  }
}

/** One turn. Also used alone, without the user's bubble, by the comparison. */
export class TurnView {
  #actions;
  #parts = [];
  #message = null;
  #shownStatus = '';
  #list = h('div', { class: 'parts' });
  #pending = h('div', { class: 'pending' }, h('span', { class: 'dots', 'aria-hidden': 'true' }, h('i'), h('i'), h('i')));
  #pendingText = h('span');
  #notice = h('div', { class: 'notice', hidden: true });
  #timing = h('button', { class: 'timing', type: 'button', title: 'Show the time line of this turn' });

  constructor(turn, actions, { bare = false } = {}) {
    this.#actions = actions;
    const mode = MODES[turn.mode];
    this.#pending.append(this.#pendingText);
    this.#timing.addEventListener('click', () => actions.select?.(turn));
    this.answer = h(
      'article',
      { class: 'assistant', 'data-testid': 'assistant-message', 'aria-label': 'Assistant' },
      bare ? null : h('header', { class: 'turn-head' }, h('span', { class: `chip chip-${turn.mode}`, title: mode.title }, mode.label), this.#timing),
      this.#list,
      this.#pending,
      this.#notice,
    );
    this.node = h(
      'section',
      { class: 'turn' },
      bare ? null : h('div', { class: 'user', role: 'group', 'aria-label': 'You' }, h('div', { class: 'bubble' }, turn.text)),
      this.answer,
    );
  }

  update(turn, { last, selected = false }) {
    const { message, marks } = turn;
    const status = `${message.status}/${last}/${marks.firstText}/${selected}`;
    if (message === this.#message && status === this.#shownStatus) return;
    this.#message = message;
    this.#shownStatus = status;
    this.answer.dataset.status = message.status;
    this.#updateParts(message.parts);
    this.#updateTiming(marks, selected);
    this.#updatePending(message);
    this.#updateNotice(message, last);
  }

  #updateParts(parts) {
    // A rebuilt message may have other parts in the same places.
    const fits = this.#parts.every((view, index) => view.type === parts[index]?.type);
    if (!fits) {
      this.#parts = [];
      this.#list.replaceChildren();
    }
    parts.forEach((part, index) => {
      if (!this.#parts[index]) {
        this.#parts[index] = new PartView(part.type);
        this.#list.append(this.#parts[index].node);
      }
      this.#parts[index].update(part);
    });
  }

  #updateTiming({ firstText }, selected) {
    this.#timing.hidden = firstText === undefined;
    this.#timing.setAttribute('aria-pressed', String(selected));
    if (firstText !== undefined) this.#timing.textContent = `first text ${formatMs(firstText)}`;
  }

  #updatePending(message) {
    const waiting = message.status === 'streaming' && !message.parts.some(isOpen);
    this.#pending.hidden = !waiting;
    const whom = message.source === 'warm' ? 'Asking the model' : 'Waiting for the agent';
    this.#pendingText.textContent = waiting ? whom : '';
  }

  #updateNotice(message, last) {
    const empty = message.status === 'done' && message.parts.length === 0;
    const text =
      message.status === 'error' ? message.error
      : message.status === 'stopped' ? 'Stopped.'
      : empty ? 'The turn ended without an answer.'
      : '';
    this.#notice.hidden = !text;
    if (!text) return;
    const failed = message.status === 'error' || empty;
    this.#notice.classList.toggle('is-error', failed);
    if (failed) this.#notice.setAttribute('role', 'alert');
    const retry = failed && last && this.#actions.retry;
    this.#notice.replaceChildren(
      ...(failed ? [icon('alert')] : []),
      h('span', {}, text),
      ...(retry ? [h('button', { class: 'button', type: 'button', 'data-testid': 'retry', onclick: retry }, 'Try again')] : []),
    );
  }
}

/** Parts that show by themselves that more is to come. */
function isOpen(part) {
  return part.state === 'streaming' || part.state === 'input-streaming' || part.state === 'input-available';
}

/**
 * The time to the first text of a new chat, with and without the head start: the two numbers the
 * demo is about, kept for this tab.
 */
import { formatMs } from './lanes.js';
import { load, save } from './storage.js';

export class FirstText {
  #times = load('first-text', {});
  #root;

  /** @param {HTMLElement} root holds `[data-row=on]`, `[data-row=off]` and `[data-verdict]` */
  constructor(root) {
    this.#root = root;
    this.#render();
  }

  /** Takes the number of a chat's first turn, once. Later turns have no boot to compare. */
  record(session) {
    const turn = session.turns[0];
    if (!turn || turn.counted || turn.marks.firstText === undefined) return;
    turn.counted = true;
    this.#times[turn.mode === 'head-start' ? 'on' : 'off'] = turn.marks.firstText;
    save('first-text', this.#times);
    this.#render();
  }

  /** One line for the folded panel. */
  get summary() {
    const { on, off } = this.#times;
    if (on !== undefined && off !== undefined) return verdict(on, off).map((piece) => piece.textContent ?? piece).join('');
    return 'Time to first text, time line';
  }

  #render() {
    const { on, off } = this.#times;
    const most = Math.max(on ?? 0, off ?? 0);
    for (const [row, ms] of [['on', on], ['off', off]]) {
      const node = this.#root.querySelector(`[data-row=${row}]`);
      node.querySelector('.value').textContent = ms === undefined ? '–' : formatMs(ms);
      node.querySelector('.fill').style.width = ms === undefined ? '0' : `${Math.max(1, (100 * ms) / most)}%`;
    }
    this.#root.querySelector('[data-verdict]').replaceChildren(...verdict(on, off));
  }
}

function verdict(on, off) {
  if (on === undefined || off === undefined) return ['Ask once each way, or run both side by side.'];
  const strong = document.createElement('strong');
  const saved = off - on;
  strong.textContent = `${formatMs(Math.abs(saved))} ${saved >= 0 ? 'sooner' : 'later'}`;
  return saved >= 0 && on > 0 ? [strong, ` with head start, ${(off / on).toFixed(1)}× as fast`] : [strong, ' with head start'];
}

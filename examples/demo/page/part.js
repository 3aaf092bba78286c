/**
 * The DOM of one message part: reasoning, text or tool card, with a badge for each process that
 * had a share in it.
 */
import { h, icon } from './dom.js';
import { formatMs } from './lanes.js';
import { renderInto } from './markdown.js';
import { isRunning } from './message.js';

const SOURCES = {
  warm: { label: 'warm server', title: 'Written by the warm server, before the agent was up' },
  agent: { label: 'agent', title: 'Written by the remote agent' },
};

/** Names of tool states, in the words a user reads. */
const STATES = {
  'input-streaming': 'Preparing',
  'input-available': 'Running',
  'output-available': 'Done',
  'output-error': 'Failed',
  stopped: 'Stopped',
};

/** One part on the page. `update` is cheap when the part did not change. */
export class PartView {
  #part = null;
  #shown;

  constructor(type) {
    this.type = type;
    this.#shown = type === 'tool' ? new ToolBody() : type === 'reasoning' ? new ReasoningBody() : new TextBody();
    this.meta = h('div', { class: 'part-meta' });
    this.node = h('div', { class: `part part-${type}` }, this.meta, this.#shown.node);
  }

  update(part) {
    if (part === this.#part) return;
    if (!this.#part) {
      this.node.dataset.source = part.source;
      this.meta.append(...badge(part.source, part.at));
    }
    this.node.dataset.result = part.outputSource ?? part.source;
    this.#shown.update(part);
    this.#part = part;
  }
}

class TextBody {
  node = h('div', { class: 'prose', 'data-testid': 'part-text' });

  update(part) {
    this.node.classList.toggle('is-streaming', part.state === 'streaming');
    renderInto(this.node, part.text);
  }
}

class ReasoningBody {
  #touched = false;
  #text = h('div', { class: 'reasoning-text' });
  #summary = h('summary', {}, icon('chevron'), h('span', {}, 'Thinking'));

  constructor() {
    this.node = h('details', { class: 'reasoning', 'data-testid': 'part-reasoning', open: true }, this.#summary, this.#text);
    this.#summary.addEventListener('click', () => { this.#touched = true; });
  }

  update(part) {
    const streaming = part.state === 'streaming';
    this.node.classList.toggle('is-streaming', streaming);
    this.#text.textContent = part.text;
    // Open while there is something to watch; then out of the way, unless the reader chose.
    if (!this.#touched) this.node.open = streaming;
  }
}

class ToolBody {
  #name = h('span', { class: 'tool-name' });
  #state = h('span', { class: 'tool-state' });
  #input = h('pre', { tabindex: '0', 'aria-label': 'Input' });
  #result = h('div', { class: 'tool-result', hidden: true });
  node = h(
    'section',
    { class: 'tool', 'data-testid': 'tool-card', 'aria-label': 'Tool call' },
    h('header', {}, icon('tool'), this.#name, this.#state),
    h('div', { class: 'tool-row' }, h('span', { class: 'tool-key' }, 'input'), this.#input),
    this.#result,
  );

  update(part) {
    this.node.dataset.state = part.state;
    this.#name.textContent = part.toolName;
    this.#state.replaceChildren(
      isRunning(part) ? h('span', { class: 'spinner' }) : icon(part.state === 'output-available' ? 'check' : 'cross'),
      stateOf(part),
    );
    this.#input.textContent = part.input === undefined ? part.inputText : json(part.input);
    const over = part.state.startsWith('output-');
    this.#result.hidden = !over;
    if (!over) return;
    const failed = part.state === 'output-error';
    this.#result.replaceChildren(
      h('div', { class: 'part-meta' }, ...badge(part.outputSource, part.outputAt)),
      h(
        'div',
        { class: 'tool-row' },
        h('span', { class: 'tool-key' }, failed ? 'error' : 'output'),
        h('pre', { tabindex: '0', 'aria-label': failed ? 'Error' : 'Output' }, failed ? part.errorText : json(part.output)),
      ),
    );
  }
}

function badge(source, at) {
  const { label, title } = SOURCES[source];
  const time = typeof at === 'number' && h('span', { class: 'when', title: 'since the message was sent' }, formatMs(at));
  return [h('span', { class: 'badge', 'data-testid': 'badge', 'data-source': source, title }, label), time].filter(Boolean);
}

/** A call made by the warm server runs only once the agent is up. */
function stateOf(part) {
  if (!isRunning(part)) return STATES[part.state];
  if (part.approvalId) return 'Needs approval';
  return part.state === 'input-available' && part.source === 'warm' ? 'Waiting for the agent' : STATES[part.state];
}

/** Short values on one line, others indented. */
function json(value) {
  const line = JSON.stringify(value) ?? 'null';
  return line.length <= 96 ? line.replaceAll('":', '": ').replaceAll(',"', ', "') : JSON.stringify(value, null, 2);
}

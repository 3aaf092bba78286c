/** The page: wires the chat, the panel and the keyboard together. Everything visible is drawn by `render`. */
import { Api, fetchConfig } from './api.js';
import { Comparison } from './compare.js';
import { FirstText } from './firsttext.js';
import { ChatSession } from './session.js';
import { load, save } from './storage.js';
import { renderTimelines } from './timeline.js';
import { Conversation } from './view.js';

/** How often open bars and clocks move while something streams. */
const TICK_MS = 100;

const find = (id) => document.getElementById(id);
const page = {
  scroller: find('scroller'), list: find('messages'), welcome: find('welcome'), composer: find('composer'),
  input: find('input'), send: find('send'), stop: find('stop'), status: find('status'), toggle: find('head-start'),
  hint: find('switch-hint'), direct: find('direct'), tabs: find('tabs'), timeline: find('timeline'),
  config: find('config'), panel: find('panel'), panelToggle: find('panel-toggle'), summary: find('panel-summary'),
};

let api;
let session;
let comparison = null;
let selected = null;
let headStart = load('switch', true);
let frame = 0;

const firstText = new FirstText(find('first-text'));
const conversation = new Conversation(page.scroller, page.list, {
  retry: () => session.retry({ headStart }),
  select: (turn) => { selected = turn; page.panelToggle.setAttribute('aria-expanded', 'true'); schedule(); },
});

await begin();

/** Reads the configuration, then shows the stored chat or an empty one. */
async function begin() {
  listen();
  try {
    const config = await fetchConfig();
    api = new Api(config);
    showConfig(config);
    open(load('chat'));
    await session.resume();
  } catch (error) {
    page.status.textContent = error.message;
    page.status.dataset.state = 'error';
    find('reload').hidden = false;
  }
}

function open(state) {
  session?.close();
  selected = null;
  session = new ChatSession(api, { state, save: (value) => save('chat', value), changed });
  schedule();
}

function newChat() {
  if (!api) return;
  closeComparison();
  if (session.streaming) session.stop();
  open(undefined);
  save('chat', session.state);
  page.input.focus();
}

function send(text) {
  const trimmed = text.trim();
  if (!api || !trimmed || session.streaming) return;
  closeComparison();
  page.input.value = '';
  selected = null;
  session.send(trimmed, { headStart });
}

function compare() {
  if (!api || comparison?.streaming) return;
  const text = page.input.value.trim() || comparison?.text || session.turns.at(-1)?.text || find('suggestions').firstElementChild.textContent;
  closeComparison();
  page.input.value = '';
  comparison = new Comparison(api, text, { changed, close: () => { closeComparison(); schedule(); } });
  page.scroller.append(comparison.node);
  page.scroller.scrollTop = 0;
  schedule();
}

function closeComparison() {
  comparison?.close();
  comparison = null;
}

function stop() {
  if (comparison?.streaming) comparison.stop();
  else session?.stop();
}

/** Any session changed, the shown one or one of a comparison. */
function changed(which) {
  firstText.record(which);
  schedule();
}

function schedule() {
  frame ||= requestAnimationFrame(render);
}

function render() {
  frame = 0;
  const { turns } = session;
  const streaming = comparison?.streaming || session.streaming;
  const shown = turns.includes(selected) ? selected : turns.at(-1);
  const ready = turns.filter(({ message }) => message);
  page.welcome.hidden = turns.length > 0 || comparison !== null;
  page.list.hidden = comparison !== null;
  if (comparison) comparison.render();
  else conversation.render(ready, { streaming: session.streaming, selected: shown });
  page.send.hidden = streaming;
  page.stop.hidden = !streaming;
  page.send.disabled = page.input.value.trim() === '';
  page.direct.hidden = comparison !== null || turns.at(-1)?.mode !== 'direct';
  renderSwitch(turns);
  renderStatus(turns.at(-1), streaming);
  renderPanel(turns, shown);
}

function renderSwitch(turns) {
  page.toggle.setAttribute('aria-checked', String(headStart));
  const differs = turns.length > 0 && (turns[0].mode === 'head-start') !== headStart;
  page.hint.hidden = !differs || comparison !== null;
}

function renderStatus(turn, streaming) {
  const text = comparison
    ? (streaming ? 'Running both ways' : 'Both answers are complete')
    : statusOf(turn);
  if (page.status.textContent !== text) page.status.textContent = text;
  page.status.dataset.state = streaming ? 'busy' : turn?.message?.status === 'error' ? 'error' : 'idle';
  page.status.dataset.source = streaming && !comparison ? (turn?.message?.source ?? '') : '';
}

function statusOf(turn) {
  if (!turn?.message) return 'Ready';
  const { status, source, parts } = turn.message;
  if (status === 'error') return 'Failed';
  if (status === 'stopped') return 'Stopped';
  if (status === 'done') return 'Answer complete';
  if (source === 'warm') return parts.length > 0 ? 'The warm server answers' : 'Sent';
  if (turn.mode === 'head-start') return 'Handed over to the agent';
  return parts.length > 0 ? 'The agent answers' : turn.mode === 'plain' ? 'The agent boots' : 'Sent to the session';
}

function renderPanel(turns, shown) {
  const entries = comparison ? comparison.entries : shown
    ? [{ title: `Turn ${turns.indexOf(shown) + 1}`, turn: shown, now: Date.now() - shown.sentAt }]
    : [];
  page.panel.dataset.empty = String(entries.length === 0);
  page.tabs.hidden = comparison !== null || turns.length < 2;
  if (!page.tabs.hidden) renderTabs(turns, shown);
  renderTimelines(page.timeline, entries);
  page.summary.textContent = firstText.summary;
}

function renderTabs(turns, shown) {
  const wanted = turns.map((_, index) => index + 1).slice(-8);
  const key = `${wanted.join()}/${turns.indexOf(shown)}`;
  if (page.tabs.dataset.key === key) return;
  page.tabs.dataset.key = key;
  page.tabs.replaceChildren(...wanted.map((number) => {
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = String(number);
    button.setAttribute('aria-label', `Time line of turn ${number}`);
    button.setAttribute('aria-pressed', String(turns[number - 1] === shown));
    button.addEventListener('click', () => { selected = turns[number - 1]; schedule(); });
    return button;
  }));
}

function showConfig({ api: base, model, platform, agent, bootMs }) {
  const facts = { model, platform, agent, boot: bootMs === undefined ? undefined : `${bootMs} ms`, api: base?.replace(/^https?:\/\//, '') };
  page.config.replaceChildren(...Object.entries(facts).filter(([, value]) => value).map(([name, value]) => {
    const row = document.createElement('div');
    const term = document.createElement('dt');
    const detail = document.createElement('dd');
    term.textContent = name;
    detail.textContent = value;
    row.append(term, detail);
    return row;
  }));
}

function listen() {
  page.composer.addEventListener('submit', (event) => { event.preventDefault(); send(page.input.value); });
  page.input.addEventListener('input', schedule);
  page.input.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    send(page.input.value);
  });
  document.addEventListener('keydown', (event) => { if (event.key === 'Escape') stop(); });
  page.stop.addEventListener('click', () => { stop(); page.input.focus(); });
  page.toggle.addEventListener('click', () => { headStart = !headStart; save('switch', headStart); schedule(); });
  for (const button of document.querySelectorAll('[data-action=new-chat]')) button.addEventListener('click', newChat);
  for (const button of document.querySelectorAll('[data-action=compare]')) button.addEventListener('click', compare);
  for (const button of find('suggestions').children) button.addEventListener('click', () => send(button.textContent));
  find('reload').addEventListener('click', () => location.reload());
  find('theme').addEventListener('click', toggleTheme);
  page.panelToggle.addEventListener('click', () => {
    const expanded = page.panelToggle.getAttribute('aria-expanded') === 'true';
    page.panelToggle.setAttribute('aria-expanded', String(!expanded));
  });
  setInterval(() => { if (session && (session.streaming || comparison?.streaming)) schedule(); }, TICK_MS);
}

function toggleTheme() {
  const dark = getComputedStyle(document.documentElement).colorScheme === 'dark'
    || (!document.documentElement.dataset.theme && matchMedia('(prefers-color-scheme: dark)').matches);
  const theme = dark ? 'light' : 'dark';
  document.documentElement.dataset.theme = theme;
  try {
    localStorage.setItem('headstart.theme', theme);
  } catch {
    // The choice holds until the next load.
  }
}

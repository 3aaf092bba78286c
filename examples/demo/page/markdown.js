/**
 * Light markdown for model text: headings, paragraphs, lists, quotes, rules, code blocks, bold,
 * italic, inline code, links to http(s).
 *
 * `parse` is pure. `renderInto` builds DOM nodes and text nodes only, never markup, so nothing a
 * model writes can become an element it chose. Text that is still streaming parses at any cut.
 */

/**
 * Shows `text` in `container`. Blocks that did not change since the last call keep their nodes, so
 * a selection in the finished part of a streaming answer survives.
 */
export function renderInto(container, text) {
  const blocks = parse(text);
  const keys = blocks.map((block) => JSON.stringify(block));
  const old = container.markdownKeys ?? [];
  let same = 0;
  while (same < keys.length && keys[same] === old[same]) same += 1;
  while (container.childNodes.length > same) container.lastChild.remove();
  container.append(...blocks.slice(same).map(blockNode));
  container.markdownKeys = keys;
}

/**
 * @returns blocks: `{type: 'p'|'h'|'quote', spans}`, `{type: 'code', lang, text}`, `{type: 'hr'}`,
 * `{type: 'list', ordered, start, items: {spans, children: block[]}[]}`
 */
export function parse(text) {
  return parseLines(text.replace(/\r\n?/g, '\n').split('\n'));
}

/** @returns inline spans: `{type: 'text'|'code', text}`, `{type: 'strong'|'em'|'link', spans, href?}` */
export function parseInline(text) {
  const spans = [];
  let rest = text;
  while (rest) {
    const match = INLINE.exec(rest);
    if (!match) {
      spans.push({ type: 'text', text: rest });
      break;
    }
    if (match.index > 0) spans.push({ type: 'text', text: rest.slice(0, match.index) });
    spans.push(span(match.groups));
    rest = rest.slice(match.index + match[0].length);
  }
  return spans;
}

const FENCE = /^ {0,3}(`{3,}|~{3,})\s*([^`\s]*)/;
const HEADING = /^ {0,3}(#{1,6})\s+(.+?)\s*#*$/;
const RULE = /^ {0,3}([-*_])(?:\s*\1){2,}\s*$/;
const ITEM = /^(\s*)(?:[-*+]|(\d{1,9})[.)])\s+(.*)$/;
const QUOTE = /^ {0,3}>\s?/;
const INLINE = new RegExp(
  [
    '(?<ticks>`+)(?<code>[^`]|[^`].*?[^`])\\k<ticks>(?!`)',
    '\\*\\*(?<strong>\\S|\\S.*?\\S)\\*\\*',
    '(?<![\\w*])[*_](?<em>[^\\s*_]|[^\\s*_][^*_]*?[^\\s*_])[*_](?![\\w*])',
    '\\[(?<label>[^\\]\\n]+)\\]\\((?<href>https?://[^\\s)]+)\\)',
  ].join('|'),
  's',
);

function span({ code, strong, em, label, href }) {
  if (code !== undefined) return { type: 'code', text: code };
  if (strong !== undefined) return { type: 'strong', spans: parseInline(strong) };
  if (em !== undefined) return { type: 'em', spans: parseInline(em) };
  return { type: 'link', spans: [{ type: 'text', text: label }], href };
}

function parseLines(lines) {
  const blocks = [];
  let index = 0;
  while (index < lines.length) {
    const line = lines[index];
    const fence = FENCE.exec(line);
    const heading = HEADING.exec(line);
    if (line.trim() === '') {
      index += 1;
    } else if (fence) {
      const end = endOfFence(lines, index + 1, fence[1]);
      blocks.push({ type: 'code', lang: fence[2], text: lines.slice(index + 1, end).join('\n') });
      index = end + 1;
    } else if (heading) {
      blocks.push({ type: 'h', level: heading[1].length, spans: parseInline(heading[2]) });
      index += 1;
    } else if (RULE.test(line)) {
      blocks.push({ type: 'hr' });
      index += 1;
    } else if (ITEM.test(line)) {
      index = parseList(lines, index, blocks);
    } else {
      const quote = QUOTE.test(line);
      const start = index;
      do index += 1; while (index < lines.length && continues(lines[index], quote));
      const text = lines.slice(start, index).map((each) => (quote ? each.replace(QUOTE, '') : each)).join('\n');
      blocks.push({ type: quote ? 'quote' : 'p', spans: parseInline(text.trim()) });
    }
  }
  return blocks;
}

function continues(line, quote) {
  if (line.trim() === '' || FENCE.test(line) || HEADING.test(line) || ITEM.test(line) || RULE.test(line)) return false;
  return QUOTE.test(line) === quote;
}

function endOfFence(lines, from, fence) {
  let end = from;
  while (end < lines.length && !(lines[end].trim().startsWith(fence) && /^[`~\s]*$/.test(lines[end]))) end += 1;
  return end;
}

/** One list: an item is its line plus all following lines that are indented deeper. */
function parseList(lines, from, blocks) {
  const [, indent, number] = ITEM.exec(lines[from]);
  const list = { type: 'list', ordered: number !== undefined, start: Number(number ?? 1), items: [] };
  let index = from;
  while (index < lines.length) {
    const item = ITEM.exec(lines[index]);
    if (!item || RULE.test(lines[index]) || item[1].length !== indent.length || (item[2] !== undefined) !== list.ordered) break;
    index += 1;
    const inner = [];
    while (index < lines.length && belongsToItem(lines, index, indent.length)) inner.push(lines[index++]);
    const strip = Math.min(...inner.filter((line) => line.trim()).map((line) => line.search(/\S/)));
    list.items.push({ spans: parseInline(item[3]), children: parseLines(inner.map((line) => line.slice(strip))) });
  }
  blocks.push(list);
  return index;
}

function belongsToItem(lines, index, indent) {
  if (lines[index].trim()) return lines[index].search(/\S/) > indent;
  // A blank line is inside the list only if the list goes on after it.
  const next = lines.slice(index + 1).find((line) => line.trim());
  return next !== undefined && (next.search(/\S/) > indent || (ITEM.test(next) && next.search(/\S/) === indent));
}

function blockNode(block) {
  switch (block.type) {
    case 'code': {
      const pre = element('pre', [element('code', [block.text])]);
      pre.tabIndex = 0;
      if (block.lang) pre.dataset.lang = block.lang;
      return pre;
    }
    case 'h':
      return element(`h${Math.min(6, block.level + 2)}`, block.spans.map(spanNode));
    case 'hr':
      return element('hr', []);
    case 'quote':
      return element('blockquote', block.spans.map(spanNode));
    case 'list': {
      const items = block.items.map((item) =>
        element('li', [...item.spans.map(spanNode), ...item.children.map(blockNode)]),
      );
      const list = element(block.ordered ? 'ol' : 'ul', items);
      if (block.ordered) list.start = block.start;
      return list;
    }
    default:
      return element('p', block.spans.map(spanNode));
  }
}

function spanNode(inline) {
  if (inline.type === 'text') return document.createTextNode(inline.text);
  if (inline.type === 'code') return element('code', [inline.text]);
  if (inline.type !== 'link') return element(inline.type, inline.spans.map(spanNode));
  const link = element('a', inline.spans.map(spanNode));
  link.href = inline.href;
  link.target = '_blank';
  link.rel = 'noopener noreferrer';
  return link;
}

function element(name, children) {
  const node = document.createElement(name);
  node.append(...children);
  return node;
}

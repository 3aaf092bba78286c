/**
 * The reducer: UI chunks in, one assistant message out. Pure: no DOM, no clock, no network.
 *
 * A message is never changed in place. A step returns a new message that shares every untouched
 * part with the old one, so a view finds out what changed by comparing identities.
 *
 * Each part remembers its `source`, the process that produced it: `warm` (the server that took the
 * first message) or `agent` (the run it was handed to). In a head-started turn the first `finish`
 * ends step 1, and with it the warm server's share; every other turn is the agent's alone.
 */

/**
 * An assistant message before its first chunk.
 * @param {{headStarted?: boolean}} options whether the warm server begins this turn
 */
export function emptyMessage({ headStarted = false } = {}) {
  return { id: null, status: 'streaming', source: headStarted ? 'warm' : 'agent', stepStart: 0, parts: [], error: null };
}

/**
 * @param message the message so far
 * @param chunk one UI chunk; unknown types change nothing
 * @param {number | null} at ms since the turn was sent, or null when that cannot be known (replay)
 */
export function reduce(message, chunk, at = null) {
  switch (chunk.type) {
    case 'start':
      return start(message, chunk.messageId);
    case 'start-step':
      return { ...message, stepStart: message.parts.length };
    case 'reset-step':
      return { ...message, parts: message.parts.slice(0, message.stepStart) };
    case 'text-start':
    case 'reasoning-start':
      return append(message, block(message, chunk, at));
    case 'text-delta':
    case 'reasoning-delta':
      return grow(message, chunk, at);
    case 'text-end':
    case 'reasoning-end':
      return update(message, openBlock(message, chunk), { state: 'done' });
    case 'tool-input-start':
    case 'tool-input-delta':
    case 'tool-input-available':
    case 'tool-input-error':
    case 'tool-approval-request':
    case 'tool-output-available':
    case 'tool-output-error':
    case 'tool-output-denied':
      return tool(message, chunk, at);
    case 'finish-step':
      return { ...message, parts: closeBlocks(message.parts) };
    case 'finish':
      return { ...message, source: 'agent', parts: closeBlocks(message.parts) };
    case 'error':
      return settle({ ...message, error: chunk.errorText || 'The agent reported an error.' }, 'error');
    case 'abort':
      return settle(message, 'stopped');
    default:
      return message;
  }
}

/**
 * The message at the end of its turn: nothing is left streaming.
 * @param {'done' | 'stopped' | 'error'} status an error, once set, stays
 */
export function settle(message, status) {
  const parts = closeBlocks(message.parts).map((part) =>
    status !== 'done' && isRunning(part) ? { ...part, state: 'stopped' } : part,
  );
  return { ...message, parts, status: message.error ? 'error' : status };
}

/** Whether a tool part still waits for its input or its result. */
export function isRunning(part) {
  return part.type === 'tool' && (part.state === 'input-streaming' || part.state === 'input-available');
}

/** All text of the message, for screen readers and for history. */
export function plainText(message) {
  return message.parts.filter((part) => part.type === 'text').map((part) => part.text).join('\n\n');
}

function start(message, id) {
  if (!id || message.id === id) return message;
  if (message.id === null) return { ...message, id };
  // Another id: the agent redoes the whole turn, so what came before does not count.
  return { ...message, id, source: 'agent', parts: [], stepStart: 0 };
}

function block(message, chunk, at) {
  const type = chunk.type.startsWith('text') ? 'text' : 'reasoning';
  return { type, id: chunk.id, text: '', state: 'streaming', source: message.source, at };
}

function grow(message, chunk, at) {
  const index = openBlock(message, chunk);
  const part = message.parts[index];
  if (part) return update(message, index, { text: part.text + chunk.delta });
  return append(message, { ...block(message, chunk, at), text: chunk.delta });
}

/** The newest open block with this id: ids come back in later steps. */
function openBlock(message, chunk) {
  const type = chunk.type.startsWith('text') ? 'text' : 'reasoning';
  return message.parts.findLastIndex(
    (part) => part.type === type && part.id === chunk.id && part.state === 'streaming',
  );
}

function tool(message, chunk, at) {
  const index = message.parts.findIndex((part) => part.type === 'tool' && part.toolCallId === chunk.toolCallId);
  const part = message.parts[index];
  const change = toolChange(part, chunk, message.source, at);
  if (part) return update(message, index, change);
  // Only an input makes a card; a result without its call has nothing to belong to.
  if (!chunk.toolName) return message;
  return append(message, {
    type: 'tool',
    toolCallId: chunk.toolCallId,
    toolName: chunk.toolName,
    inputText: '',
    state: 'input-streaming',
    source: message.source,
    at,
    ...change,
  });
}

function toolChange(part, chunk, source, at) {
  const result = { outputSource: source, outputAt: at };
  switch (chunk.type) {
    case 'tool-input-delta':
      return { inputText: (part?.inputText ?? '') + chunk.inputTextDelta };
    case 'tool-input-available':
      return { state: 'input-available', input: chunk.input, toolName: chunk.toolName };
    case 'tool-input-error':
      return { state: 'output-error', input: chunk.input, errorText: chunk.errorText, ...result };
    case 'tool-approval-request':
      return { approvalId: chunk.approvalId };
    case 'tool-output-available':
      return { state: 'output-available', output: chunk.output, ...result };
    case 'tool-output-error':
      return { state: 'output-error', errorText: chunk.errorText, ...result };
    case 'tool-output-denied':
      return { state: 'output-error', errorText: 'The call was denied.', ...result };
    default:
      return {};
  }
}

function closeBlocks(parts) {
  return parts.map((part) =>
    part.type !== 'tool' && part.state === 'streaming' ? { ...part, state: 'done' } : part,
  );
}

function append(message, part) {
  return { ...message, parts: [...message.parts, part] };
}

function update(message, index, change) {
  if (index < 0) return message;
  return { ...message, parts: message.parts.with(index, { ...message.parts[index], ...change }) };
}

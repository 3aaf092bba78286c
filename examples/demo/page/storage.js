/**
 * What survives a reload, per browser tab: the chat, the measured first-text times, the switch.
 * A storage that is full or blocked costs the memory, never the chat.
 */
const PREFIX = 'headstart.';

/** @returns the stored value, or `fallback` */
export function load(key, fallback) {
  try {
    return JSON.parse(sessionStorage.getItem(PREFIX + key)) ?? fallback;
  } catch {
    return fallback;
  }
}

export function save(key, value) {
  try {
    sessionStorage.setItem(PREFIX + key, JSON.stringify(value));
  } catch {
    // See above.
  }
}

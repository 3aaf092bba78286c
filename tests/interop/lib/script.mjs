// What the model of step 1 says, in the words of the server's scripts.
const json = (input) => (typeof input === "string" ? input : JSON.stringify(input));

export const text = (text, metadata) => ({ text: { text, metadata } });
export const reasoning = (text, metadata) => ({ reasoning: { text, metadata } });
export const file = (mediaType, data, metadata) => ({ file: { mediaType, data, metadata } });
export const source = (id, url, title) => ({ source: { id, url, title } });
/** `input` is a value, or text as a model wrote it. */
export const call = (id, tool, input, extra = {}) => ({ call: { id, tool, input: json(input), ...extra } });
/** A call that the provider answers itself, and what it answers. */
export const ownCall = (id, tool, input, result, extra = {}) => [
  call(id, tool, input, { providerExecuted: true, ...extra }),
  { result: { id, tool, result } },
];
export const finish = (reason) => ({ finish: { reason } });

// What the model of step 1 says, in the words of the server's scripts.
const json = (input) => (typeof input === "string" ? input : JSON.stringify(input));

export const text = (text, metadata) => ({ type: "text", text, metadata });
export const reasoning = (text, metadata) => ({ type: "reasoning", text, metadata });
export const file = (mediaType, data, metadata) => ({ type: "file", mediaType, data, metadata });
export const source = (id, url, title) => ({ type: "source", id, url, title });
/** `input` is a value, or text as a model wrote it. */
export const call = (id, tool, input, extra = {}) => ({ type: "call", id, tool, input: json(input), ...extra });
export const result = (id, tool, result, extra = {}) => ({ type: "result", id, tool, result, ...extra });
export const finish = (reason) => ({ type: "finish", reason });

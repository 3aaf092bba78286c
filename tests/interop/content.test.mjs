// What step 1 may hold: the agents' runtime takes it over, the page shows it, and the next model calls see it.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { call, file, finish, ownCall, reasoning, source, text } from "./lib/script.mjs";
import { startWorld } from "./lib/world.mjs";

let world;
before(async () => (world = await startWorld()));
after(() => world.stop());

const SIGNATURE = { anthropic: { signature: "EqQB+/=\u2028é" } };
const PNG = "iVBORw0KGgo=";

/** The assistant's parts of a prompt, and the results beside them; without the options of providers that set none. */
const said = (prompt) => prompt.filter(({ role }) => role === "assistant" || role === "tool").flatMap(({ content }) => content);
const ofType = (parts, type) => parts.filter((part) => part.type === type);

async function secondTurn(page) {
  await page.send("And now?");
  assert.deepEqual(page.errors, []);
  assert.equal(page.chat.status, "ready");
  assert.deepEqual(page.texts(), ["You said: And now?"]);
  assert.equal(page.chat.messages.length, 4, "turn 2 is a message of its own");
  return (await page.prompts()).at(-1);
}

async function firstTurn(page, message) {
  await page.send(message ?? "Go");
  assert.deepEqual(page.errors, []);
  assert.equal(page.chat.status, "ready");
  assert.equal(page.chat.messages.length, 2, "turn 1 is one message");
}

describe("answers that are whole", () => {
  const cases = {
    "text, with what its provider says about it": {
      step: [text("Hi é😀\u2028 \"there\"", { openai: { itemId: "msg_1" } })],
      shown: [{ type: "text", text: "Hi é😀\u2028 \"there\"", providerMetadata: { openai: { itemId: "msg_1" } }, state: "done" }],
      // The runtime stores a text without what came with it.
      remembered: [{ type: "text", text: "Hi é😀\u2028 \"there\"" }],
    },
    "reasoning with a signature": {
      step: [reasoning("I think", SIGNATURE), text("Hi")],
      shown: [
        { type: "reasoning", id: "0", text: "I think", providerMetadata: SIGNATURE, state: "done" },
        { type: "text", text: "Hi", state: "done" },
      ],
      remembered: [{ type: "reasoning", text: "I think", providerOptions: SIGNATURE }, { type: "text", text: "Hi" }],
    },
    "reasoning that is redacted": {
      step: [reasoning("", { anthropic: { redactedData: "RD" } }), text("Hi")],
      shown: [
        { type: "reasoning", id: "0", text: "", providerMetadata: { anthropic: { redactedData: "RD" } }, state: "done" },
        { type: "text", text: "Hi", state: "done" },
      ],
      remembered: [
        { type: "reasoning", text: "", providerOptions: { anthropic: { redactedData: "RD" } } },
        { type: "text", text: "Hi" },
      ],
    },
    "a generated file": {
      step: [text("Here"), file("image/png", PNG)],
      shown: [
        { type: "text", text: "Here", state: "done" },
        { type: "file", mediaType: "image/png", url: `data:image/png;base64,${PNG}` },
      ],
      // The runtime stores text, reasoning and calls of a final handover.
      remembered: [{ type: "text", text: "Here" }],
    },
    "a source": {
      step: [text("Here"), source("s1", "https://example.com/", "Example")],
      shown: [{ type: "text", text: "Here", state: "done" }],
      remembered: [{ type: "text", text: "Here" }],
    },
    "a tool of the provider": {
      step: [...ownCall("s", "web_search", { query: "x" }, [{ url: "https://example.com/" }]), text("Found.")],
      shown: [
        {
          type: "tool-web_search",
          toolCallId: "s",
          state: "output-available",
          input: { query: "x" },
          output: [{ url: "https://example.com/" }],
          providerExecuted: true,
        },
        { type: "text", text: "Found.", state: "done" },
      ],
      remembered: [{ type: "text", text: "Found." }],
    },
    "text that was cut off": {
      step: [text("This is cu"), finish("length")],
      shown: [{ type: "text", text: "This is cu", state: "done" }],
      remembered: [{ type: "text", text: "This is cu" }],
    },
    "text that was filtered, before a call": {
      step: [text("I must"), call("w", "getWeather", { city: "Paris" }), finish("content-filter")],
      shown: [
        { type: "text", text: "I must", state: "done" },
        { type: "tool-getWeather", toolCallId: "w", state: "input-available", input: { city: "Paris", unit: "c" } },
      ],
      remembered: [{ type: "text", text: "I must" }],
    },
    "nothing at all": { step: [], shown: [], remembered: [] },
  };
  for (const [name, { step, shown, remembered }] of Object.entries(cases)) {
    test(name, () => world.visit("agent", step, async (page) => {
      await firstTurn(page);
      assert.deepEqual(page.parts(), shown);
      const prompt = await secondTurn(page);
      assert.deepEqual(said(prompt), remembered);
      assert.equal((await page.prompts()).length, 1, "the agent's model was not called in turn 1");
      assert.deepEqual(await page.executed(), []);
    }));
  }
});

describe("answers that go on", () => {
  const paris = { city: "Paris", unit: "c" };
  const degrees = { ...paris, degrees: 21 };

  test("reasoning with a signature before a call", () => {
    const metadata = { openai: { itemId: "fc_1" } };
    const step = [reasoning("I think", SIGNATURE), text("Let me see."), call("w", "getWeather", paris, { metadata })];
    return world.visit("agent", step, async (page) => {
      await firstTurn(page);
      assert.deepEqual(page.parts().map(({ type }) => type), ["reasoning", "text", "tool-getWeather", "text"]);
      const [step2] = await page.prompts();
      assert.deepEqual(said(step2), [
        { type: "reasoning", text: "I think", providerOptions: SIGNATURE },
        { type: "text", text: "Let me see." },
        { type: "tool-call", toolCallId: "w", toolName: "getWeather", input: paris, providerOptions: metadata },
        { type: "tool-result", toolCallId: "w", toolName: "getWeather", output: { type: "json", value: degrees } },
      ]);
      const prompt = await secondTurn(page);
      assert.deepEqual(ofType(said(prompt), "reasoning"), [{ type: "reasoning", text: "I think", providerOptions: SIGNATURE }]);
      assert.deepEqual(ofType(said(prompt), "tool-result").map(({ output }) => output.value), [degrees]);
    });
  });

  test("a file before a call reaches the next model call", () => world.visit("agent", [file("image/png", PNG), call("w", "getWeather", paris)], async (page) => {
    await firstTurn(page);
    assert.deepEqual(page.parts()[0], { type: "file", mediaType: "image/png", url: `data:image/png;base64,${PNG}` });
    const [step2] = await page.prompts();
    assert.deepEqual(said(step2)[0], { type: "file", data: { type: "data", data: PNG }, mediaType: "image/png" });
    await secondTurn(page);
  }));

  test("a tool of the provider before a call reaches the next model call", () => {
    const sources = [{ url: "https://example.com/" }];
    return world.visit("agent", [...ownCall("s", "web_search", { query: "x" }, sources), call("w", "getWeather", paris)], async (page) => {
      await firstTurn(page);
      assert.deepEqual(page.tools().s.output, sources);
      const [step2] = await page.prompts();
      const [asked, found] = said(step2);
      assert.deepEqual([asked.type, asked.toolCallId, asked.input, asked.providerExecuted], ["tool-call", "s", { query: "x" }, true]);
      assert.deepEqual([found.type, found.toolCallId, found.output], ["tool-result", "s", { type: "json", value: sources }]);
      assert.deepEqual(await page.executed(), ["getWeather(w)"]);
      await secondTurn(page);
    });
  });

  test("several calls run side by side, each once, and keep their order", () => {
    const step = [call("a", "getWeather", paris), call("b", "search", { query: "x" }), call("c", "getWeather", { city: "Rome", unit: "f" })];
    return world.visit("agent", step, async (page) => {
      await firstTurn(page);
      assert.deepEqual((await page.executed()).sort(), ["getWeather(a)", "getWeather(c)", "search(b)"]);
      assert.deepEqual(page.parts().map(({ output }) => output).filter(Boolean), [degrees, "about x", { city: "Rome", unit: "f", degrees: 21 }]);
      for (const prompt of [(await page.prompts())[0], await secondTurn(page)]) {
        assert.deepEqual(ofType(said(prompt), "tool-call").map(({ toolCallId }) => toolCallId), ["a", "b", "c"]);
        assert.deepEqual(ofType(said(prompt), "tool-result").map(({ toolCallId }) => toolCallId), ["a", "b", "c"]);
      }
    });
  });

  // Inputs as models write them, and as the agent's own schema wants them.
  const inputs = {
    "an unknown key": ["getWeather", '{"city":"Paris","unit":"c","mood":{"a":[]}}', paris],
    "a default that is missing": ["getWeather", '{"city":"Paris"}', paris],
    "odd spacing and escapes": ["getWeather", ' {"city" : "\\u0050aris"}\n', paris],
    "an unknown key of a loose schema": [
      "search",
      '{"query":"x","n":1.0,"big":12345678901234567890,"e":1e2,"deep":{"b":1,"a":[null,true]}}',
      { query: "x", n: 1, big: 12345678901234567890, e: 100, deep: { b: 1, a: [null, true] } },
    ],
  };
  for (const [name, [tool, input, expected]] of Object.entries(inputs)) {
    test(`an input with ${name} runs`, () => world.visit("agent", [call("c", tool, input)], async (page) => {
      await firstTurn(page);
      assert.deepEqual((await page.executions()).map(({ input }) => input), [expected]);
      assert.deepEqual(page.tools().c.input, expected);
      assert.equal(page.tools().c.state, "output-available");
      const prompt = await secondTurn(page);
      assert.deepEqual(ofType(said(prompt), "tool-call").map(({ input }) => input), [expected]);
    }));
  }

  // What cannot run is settled with an error that the model is told.
  const invalid = {
    "input that is no JSON": ["getWeather", '{"city": ', /JSONParseError|JSON parsing failed/],
    "input that the schema refuses": ["getWeather", '{"city":7}', /Type validation failed/],
    "input that lacks a key": ["getWeather", "{}", /Type validation failed/],
    "a tool that nobody has": ["nope", '{"a":1}', /unavailable tool 'nope'/],
    "a key that would reach into prototypes": ["search", '{"query":"x","__proto__":{"a":1}}', /Invalid input/],
  };
  for (const [name, [tool, input, error]] of Object.entries(invalid)) {
    test(`${name} runs nothing, and the model is told`, () => world.visit("agent", [text("a"), call("c", tool, input)], async (page) => {
      await firstTurn(page);
      assert.equal(page.tools().c.state, "output-error");
      assert.match(page.tools().c.errorText, error);
      const [step2] = await page.prompts();
      const [result] = ofType(said(step2), "tool-result");
      assert.equal(result.output.type, "error-text");
      assert.match(result.output.value, error);
      await secondTurn(page);
      assert.deepEqual(await page.executed(), []);
    }));
  }

  test("a valid call beside invalid ones runs, alone", () => {
    const step = [call("b", "getWeather", '{"city":'), call("w", "getWeather", paris), call("u", "nope", {})];
    return world.visit("agent", step, async (page) => {
      await firstTurn(page);
      assert.deepEqual(await page.executed(), ["getWeather(w)"]);
      assert.deepEqual(Object.values(page.tools()).map(({ state }) => state), ["output-error", "output-available", "output-error"]);
      await secondTurn(page);
    });
  });

  // Pages that send results by themselves take an invalid call for a settled one.
  for (const reason of ["length", "stop", "content-filter"]) {
    test(`a call that was cut in two does not make the page send for ever: ${reason}`, () => world.visit("agent", [text("a"), call("w", "getWeather", '{"ci'), finish(reason)], async (page) => {
      await firstTurn(page);
      assert.ok(page.sent <= 2, `${page.sent} requests`);
      assert.equal(page.tools().w.state, "output-error");
      await secondTurn(page);
      assert.deepEqual(await page.executed(), []);
    }));
  }
});

test("files of the user reach the agent's model", () => world.visit("agent", [text("A picture.")], async (page) => {
  const files = [
    { type: "file", mediaType: "image/png", filename: "dot.png", url: `data:image/png;base64,${PNG}` },
    { type: "file", mediaType: "application/pdf", url: "https://example.com/a.pdf" },
  ];
  await firstTurn(page, { text: "What is this?", files });
  const prompt = await secondTurn(page);
  const [image, pdf] = ofType(prompt[0].content, "file");
  assert.equal(image.filename, "dot.png");
  assert.equal(image.mediaType, "image/png");
  assert.deepEqual(pdf.data.url, "https://example.com/a.pdf");
}));

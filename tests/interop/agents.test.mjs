// Each kind of agent: a head-started turn and a second one.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { startWorld } from "./lib/world.mjs";
import { call, reasoning, text } from "./lib/script.mjs";

const SIGNATURE = { anthropic: { signature: "EqQB+/=" } };

let world;
before(async () => (world = await startWorld()));
after(() => world.stop());

for (const agent of ["agent", "suspending", "hydrated", "session-loop", "own-loop"]) {
  test(`${agent}: a text, and a second turn`, () => world.visit(agent, [text("Hello there.")], async (page) => {
    await page.send("Hello");
    assert.deepEqual(page.errors, []);
    assert.deepEqual(page.texts(), ["Hello there."]);
    assert.deepEqual(await page.prompts(), [], "the agent's model is not called");
    await page.send("And now?");
    assert.deepEqual(page.errors, []);
    assert.equal(page.chat.messages.length, 4);
    assert.deepEqual(page.texts(), ["You said: And now?"]);
    const [prompt] = await page.prompts();
    assert.deepEqual(prompt.map(({ role }) => role), ["user", "assistant", "user"]);
  }));

  test(`${agent}: a model that says nothing, and a second turn`, () => world.visit(agent, [], async (page) => {
    await page.send("Hello");
    assert.deepEqual(page.errors, []);
    const isAnswered = !["agent", "suspending"].includes(agent);
    assert.deepEqual(page.texts(), isAnswered ? ["You said: Hello"] : []);
    await page.send("And now?");
    assert.deepEqual(page.errors, []);
    assert.deepEqual(page.texts(), ["You said: And now?"]);
    const prompt = (await page.prompts()).at(-1);
    assert.deepEqual(prompt.map(({ role }) => role), isAnswered ? ["user", "assistant", "user"] : ["user", "user"]);
  }));

  test(`${agent}: a tool, and a second turn`, () => world.visit(agent, [text("Let me see."), call("c1", "getWeather", { city: "Paris" })], async (page) => {
    await page.send("Weather?");
    assert.deepEqual(page.errors, []);
    assert.equal(page.chat.messages.length, 2);
    assert.deepEqual(page.tools().c1.output, { city: "Paris", unit: "c", degrees: 21 });
    assert.deepEqual(await page.executed(), ["getWeather(c1)"]);
    await page.send("And now?");
    assert.deepEqual(page.errors, []);
    assert.equal(page.chat.messages.length, 4);
    assert.deepEqual(page.texts(), ["You said: And now?"]);
    const prompt = (await page.prompts()).at(-1);
    assert.deepEqual(prompt.map(({ role }) => role), ["user", "assistant", "tool", "assistant", "user"]);
    assert.deepEqual(await page.executed(), ["getWeather(c1)"]);
  }));

  test(`${agent}: a signature, and a second turn`, () => world.visit(agent, [reasoning("I think", SIGNATURE), text("Hello.")], async (page) => {
    await page.send("Hello");
    await page.send("And now?");
    assert.deepEqual(page.errors, []);
    assert.deepEqual((await page.prompts())[0][1].content, [
      { type: "reasoning", text: "I think", providerOptions: SIGNATURE },
      { type: "text", text: "Hello." },
    ]);
  }));

  test(`${agent}: an invalid call runs nothing, and the model is told`, () => world.visit(agent, [text("a"), call("c1", "getWeather", '{"ci')], async (page) => {
    await page.send("Weather?");
    assert.deepEqual(page.errors, []);
    assert.match(page.texts().at(-1), /^Results: getWeather=.*JSON parsing failed/);
    await page.send("And now?");
    assert.deepEqual(page.errors, []);
    assert.deepEqual(page.texts(), ["You said: And now?"]);
    assert.deepEqual(await page.executed(), []);
  }));

  test(`${agent}: a call that needs approval does not run while nobody answers`, () => world.visit(agent, [call("c1", "deleteFile", { path: "/tmp/x" })], async (page) => {
    await page.send("Delete it");
    assert.equal(page.tools().c1.state, "approval-requested");
    await page.send("And now?");
    assert.deepEqual(await page.executed(), []);
    if (agent.endsWith("loop")) {
      // They keep the open call in what they show the model.
      assert.deepEqual(page.errors, ["An error occurred."]);
      return;
    }
    assert.deepEqual(page.errors, []);
    assert.deepEqual(page.texts(), ["You said: And now?"]);
    assert.doesNotMatch(JSON.stringify(await page.prompts()), /deleteFile/);
  }));
}

// The loops of custom agents do not take answers up, whoever asked.
for (const agent of ["agent", "suspending", "hydrated"]) {
  test(`${agent}: a call that was approved runs`, () => world.visit(agent, [call("c1", "deleteFile", { path: "/tmp/x" })], async (page) => {
    await page.send("Delete it");
    const { approval } = page.tools().c1;
    await page.goOn(() => page.chat.addToolApprovalResponse({ id: approval.id, approved: true }));
    assert.deepEqual(page.errors, []);
    assert.equal(page.tools().c1.state, "output-available");
    assert.deepEqual(await page.executed(), ["deleteFile(c1)"]);
    await page.send("And now?");
    assert.deepEqual(page.errors, []);
    assert.deepEqual(await page.executed(), ["deleteFile(c1)"]);
  }));
}

test("a suspended run is woken by the next message", () => world.visit("suspending", [text("Hello.")], async (page) => {
  await page.send("Hello");
  await world.stored(page.chatId, 2);
  await page.send("And now?");
  assert.deepEqual(page.texts(), ["You said: And now?"]);
  assert.ok((await world.runs.notes(page.chatId, "suspended")).length >= 1, "the run has suspended");
  assert.equal(world.runs.of(page.chatId).length, 1);
}));

describe("a run that ends between two turns", () => {
  /** Ends the run as soon as the agent has stored turn 1; the next message starts another one. */
  async function endRun(page) {
    const stored = await world.stored(page.chatId, 2);
    await world.cancelRuns(page.chatId);
    return stored;
  }

  test("leaves the whole history to the next one", () => world.visit("agent", [text("Let me see."), call("w", "getWeather", { city: "Paris" })], async (page) => {
    await page.send("Weather?");
    const [, answer] = await endRun(page);
    assert.equal(answer.id, page.last.id, "one id for the page and the store");
    await page.send("And now?");
    assert.deepEqual(page.errors, []);
    assert.equal(world.runs.of(page.chatId).length, 2);
    const prompt = (await page.prompts()).at(-1);
    assert.deepEqual(prompt.map(({ role }) => role), ["user", "assistant", "tool", "assistant", "user"]);
    assert.deepEqual(await page.executed(), ["getWeather(w)"]);
  }));

  test("leaves an open question to the next one", () => world.visit("agent-signed", [call("d", "deleteFile", { path: "/tmp/x" })], async (page) => {
    await page.send("Delete it");
    await endRun(page);
    const { approval } = page.tools().d;
    await page.goOn(() => page.chat.addToolApprovalResponse({ id: approval.id, approved: true }));
    assert.deepEqual(page.errors, []);
    assert.equal(page.tools().d.state, "output-available");
    assert.deepEqual(await page.executed(), ["deleteFile(d)"]);
    assert.equal(world.runs.of(page.chatId).length, 2);
  }));
});

// Each kind of agent: a head-started turn and a second one.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { startWorld } from "./lib/world.mjs";
import { call, text } from "./lib/script.mjs";

let world;
before(async () => (world = await startWorld()));
after(() => world.stop());

for (const agent of ["agent", "hydrated", "session-loop", "own-loop"]) {
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
}

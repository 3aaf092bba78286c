// Sessions that somebody else began: what a dead server left behind, and turns that are still going on.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { startWorld } from "./lib/world.mjs";
import { Page } from "./lib/page.mjs";
import { call, text } from "./lib/script.mjs";

const GONE = { id: "gone", role: "user", parts: [{ type: "text", text: "Are you there?" }] };

let world;
before(async () => (world = await startWorld()));
after(() => world.stop());

const rolesOf = (prompt) => prompt.map(({ role }) => role);

for (const agent of ["agent", "suspending", "hydrated", "session-loop", "own-loop"]) {
  test(`${agent}: the message that a dead server left is answered when it is posted again`, () => world.visit(agent, [text("never said")], async (page) => {
    await world.leaveBehind(agent, page.chatId, GONE);
    await page.send(GONE);
    assert.deepEqual(page.errors, []);
    assert.deepEqual(page.texts(), ["You said: Are you there?"]);
    assert.equal((await page.prompts()).length, 1);
    await page.send("And now?");
    assert.deepEqual(page.errors, []);
    assert.deepEqual(page.texts(), ["You said: And now?"]);
    assert.deepEqual(rolesOf((await page.prompts())[1]), ["user", "assistant", "user"]);
  }));

  test(`${agent}: another message has an answer of its own`, () => world.visit(agent, [text("never said")], async (page) => {
    await world.leaveBehind(agent, page.chatId, GONE);
    await page.send("Hello?");
    assert.deepEqual(page.errors, []);
    assert.deepEqual(page.texts(), ["You said: Hello?"]);
    const prompts = await page.prompts();
    assert.deepEqual(prompts.map(rolesOf), [["user"], ["user", "assistant", "user"]], "the first one is answered, too");
    await page.send("And now?");
    assert.deepEqual(page.errors, []);
    assert.deepEqual(page.texts(), ["You said: And now?"]);
  }));
}

// A loop by hand has to take care of continuations itself.
for (const agent of ["agent", "suspending", "hydrated", "session-loop"]) {
  test(`${agent}: a message is answered although its run died with the server`, () => world.visit(agent, [text("never said")], async (page) => {
    await world.leaveBehind(agent, page.chatId, GONE);
    await world.cancelRuns(page.chatId);
    await page.send(GONE);
    assert.deepEqual(page.errors, []);
    assert.deepEqual(page.texts(), ["You said: Are you there?"]);
    assert.equal(world.runs.of(page.chatId).length, 2);
  }));
}

test("a message from another page waits for the turn that goes on", () => world.visit("agent", [text("Let me see."), call("c1", "search", { query: "cats", afterMs: 1500 })], async (page) => {
  const first = page.send("Cats?");
  while ((await page.executed()).length === 0) await sleep(20);
  const other = new Page(world, { agent: "agent", chatId: page.chatId, step: [text("never said")] });
  await other.send("And dogs?");
  await first;
  assert.deepEqual([...page.errors, ...other.errors], []);
  assert.deepEqual(page.texts(), ["Let me see.", 'Results: search="about cats"']);
  assert.deepEqual(other.texts(), ["You said: And dogs?"]);
  other.close();
}));

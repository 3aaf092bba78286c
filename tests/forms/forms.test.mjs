// Each form of head start with the npm transport, unmodified: a first turn of each kind, and a second turn behind it.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { validateJWT } from "@trigger.dev/core/v3/jwt";
import { countRequests, happened, open, post, startServer, textOf, until } from "./world.mjs";

let server;
before(async () => (server = await startServer()));
after(() => server?.stop());

const COUNT = /^Warm counts 1 2 3/;
const WHOLE = /^Warm counts 1 2 3 .* 59 60 end$/;

/** Turn 2 goes straight to the session, shows its own answer, and leaves turn 1 as it was. */
async function secondTurn(t, page, seen) {
  const headStart = countRequests(t, "/api/chat");
  const before = structuredClone(page.chat.messages);
  assert.equal(await page.ask("And now?"), `Agent saw ${seen}: And now?`);
  assert.equal(headStart.count, 0, "turn 2 does not come to the handler");
  assert.equal(page.chat.messages.length, before.length + 2);
  assert.deepEqual(page.chat.messages.slice(0, before.length), before, "turn 1 is untouched");
  assert.deepEqual(page.errors, []);
}

test("head start, then turn 2", async (t) => {
  const page = open(server);
  assert.equal(await page.ask("Hello"), "Warm saw 1: Hello");
  assert.equal(await happened(server, page.id, "HandoverReceived"), 1);
  await secondTurn(t, page, 3);
  assert.deepEqual(page.asked, []);
});

test("a turn by hand, then turn 2", async (t) => {
  const page = open(server, { headStart: `${server.url}/by-hand` });
  assert.equal(await page.ask("Hello"), "Warm saw 1: Hello");
  assert.equal(await happened(server, page.id, "HandoverReceived"), 1);
  await secondTurn(t, page, 3);
});

test("preload, then turn 1 and turn 2", async (t) => {
  const page = open(server);
  const headStart = countRequests(t, "/api/chat");
  await page.transport.preload(page.id);
  assert.deepEqual(page.asked, ["start"]);
  await until("the boot", () => happened(server, page.id, "RunBooted"));
  assert.equal(await page.ask("Hello"), "Agent saw 1: Hello");
  assert.equal(headStart.count, 0, "a preloaded chat has no head start");
  await secondTurn(t, page, 3);
  assert.equal(await happened(server, page.id, "RunTriggered"), 1);
});

test("detached, then resumed by a page that is reloaded in mid-turn, then turn 2", async (t) => {
  const id = "welcome-1";
  const started = await post(`${server.url}/welcome`, { chatId: id, text: "Count" });
  assert.equal(started.status, 200, JSON.stringify(started));
  const question = { id: "u1", role: "user", parts: [{ type: "text", text: "Count" }] };
  const session = { publicAccessToken: started.publicAccessToken, isStreaming: true };

  const first = open(server, { id, saved: { session, messages: [question] } });
  // Cut off by the reload.
  first.chat.resumeStream().catch(() => {});
  await until("the beginning", () => COUNT.test(first.answer()));
  const { session: kept } = first.close();
  assert.equal(kept?.isStreaming ?? true, true, "the page knows that the turn is not over");

  const second = open(server, { id, saved: { session: kept ?? session, messages: [question] } });
  await second.chat.resumeStream();
  assert.match(second.answer(), WHOLE);
  assert.equal(second.chat.messages.length, 2, "one answer");
  assert.equal(await happened(server, id, "HandoverReceived"), 1);
  await secondTurn(t, second, 3);
});

test("head start, reloaded in mid-turn", async (t) => {
  const first = open(server);
  const turn = first.chat.sendMessage({ text: "Count" });
  await until("the beginning", () => COUNT.test(first.answer()));
  await first.chat.stop();
  await turn;
  const saved = first.close();
  saved.messages = saved.messages.slice(0, 1);
  const second = open(server, { id: first.id, saved });
  await second.chat.resumeStream();
  assert.match(second.answer(), WHOLE);
  await secondTurn(t, second, 3);
});

test("stop in step 1, then turn 2", async (t) => {
  const page = open(server);
  const turn = page.chat.sendMessage({ text: "Count" });
  await until("the beginning", () => COUNT.test(page.answer()));
  await page.transport.stopGeneration(page.id);
  await page.chat.stop();
  await turn;
  assert.equal(page.chat.status, "ready");
  await until("the end of the turn", () => happened(server, page.id, "TurnComplete"));
  assert.doesNotMatch(page.answer(), /end$/);
  await secondTurn(t, page, 3);
});

test("a token that is too old is renewed by our route", async (t) => {
  const page = open(server, { id: "short-1" });
  assert.equal(await page.ask("Hello"), "Warm saw 1: Hello");
  const old = page.session.publicAccessToken;
  const { exp } = JSON.parse(Buffer.from(old.split(".")[1], "base64url"));
  await sleep(Math.max(0, exp * 1000 - Date.now()) + 100);
  await secondTurn(t, page, 3);
  assert.deepEqual(page.asked, ["access-token"], "asked once");
  assert.notEqual(page.session.publicAccessToken, old);
});

test("a chat that another page reads along", async () => {
  const page = open(server);
  await page.ask("Hello");
  const chats = `${server.url}/api/chat/${page.id}`;
  assert.equal((await post(`${chats}/access-token`, {}, { "x-user": "watcher" })).status, 403);
  const watch = await post(`${chats}/watch-token`, {}, { "x-user": "watcher" });
  assert.equal(watch.status, 200);
  const session = { publicAccessToken: watch.publicAccessToken, isStreaming: true, lastEventId: page.session.lastEventId };
  const saved = { session, messages: structuredClone(page.chat.messages) };
  const watcher = open(server, { id: page.id, saved, watch: true });
  watcher.chat.resumeStream().catch(() => {});
  assert.equal(await page.ask("And now?"), "Agent saw 3: And now?");
  await until("the watcher's copy", () => watcher.answer() === "Agent saw 3: And now?");
  watcher.close();
});

test("a chat that is closed takes no message", async () => {
  const page = open(server);
  await page.ask("Hello");
  assert.equal((await post(`${server.url}/api/chat/${page.id}/close`, { reason: "done" })).status, 204);
  await page.chat.sendMessage({ text: "Anybody?" });
  assert.equal(page.chat.status, "error");
  assert.match(page.errors.at(-1)?.message ?? "", /closed/i);
});

test("the platform's own code takes our tokens", async () => {
  const { publicAccessToken } = await post(`${server.url}/api/chat/${encodeURIComponent("a/b é")}/access-token`, {});
  const verified = await validateJWT(publicAccessToken, server.secret);
  assert.equal(verified.ok, true, JSON.stringify(verified));
  assert.deepEqual(verified.payload.scopes, ["read:sessions:a/b é", "write:sessions:a/b é"]);
  assert.equal(verified.payload.exp - verified.payload.iat, 3600);
  assert.equal((await validateJWT(publicAccessToken, `${server.secret}x`)).ok, false);
});

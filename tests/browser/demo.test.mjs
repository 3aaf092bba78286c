// The demo in a real browser: what a developer sees who typed the README's first command.
//   CHROMIUM=/usr/bin/chromium  DEMO=../../target/debug/headstart-demo
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const root = fileURLToPath(new URL("../..", import.meta.url));
const out = fileURLToPath(new URL("./out/", import.meta.url));
const BOOT_MS = 900;
const QUESTION = "What is the weather in Paris, and what time is it there?";

let demo;
let url;
let browser;

before(async () => {
  mkdirSync(out, { recursive: true });
  demo = spawn(process.env.DEMO ?? `${root}target/debug/headstart-demo`, ["--port", "0"], {
    env: { ...process.env, TRIGGER_SECRET_KEY: "", ANTHROPIC_API_KEY: "" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  url = await new Promise((resolve, reject) => {
    let text = "";
    demo.stdout.on("data", (chunk) => {
      text += chunk;
      const found = text.match(/http:\/\/\S+/);
      if (found) resolve(found[0]);
    });
    demo.once("exit", (code) => reject(new Error(`the demo ended with ${code}`)));
  });
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
});

after(async () => {
  await browser?.close();
  demo?.kill();
});

const by = (page, id) => page.locator(`[data-testid="${id}"]`);
const done = (page) => page.waitForFunction(() => /Answer complete/.test(document.querySelector('[data-testid="status"]')?.textContent ?? ""), null, { timeout: 20_000 });

async function open(path = "") {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  const page = await context.newPage();
  const errors = [];
  page.on("pageerror", (error) => errors.push(error.message));
  await page.goto(url + path);
  return { page, errors, close: () => context.close() };
}

async function ask(page, text) {
  await by(page, "composer").fill(text);
  await by(page, "composer").press("Enter");
}

test("a head-started turn is one message: step 1, tool cards, step 2", async () => {
  const { page, errors, close } = await open();
  await ask(page, QUESTION);
  await done(page);
  const message = by(page, "assistant-message");
  assert.equal(await message.count(), 1);
  const text = await message.innerText();
  assert.match(text, /Let me look that up for Paris/);
  assert.match(text, /Here is what I found/);
  assert.equal(await by(page, "tool-card").count(), 2);
  assert.ok((await by(page, "part-text").count()) >= 2);
  assert.ok((await by(page, "part-reasoning").count()) >= 1);
  const badges = (await by(page, "badge").allInnerTexts()).join(" ").toLowerCase();
  assert.match(badges, /warm/);
  assert.match(badges, /agent/);
  await page.screenshot({ path: `${out}turn.png` });

  // Turn 2 goes straight to the session, and does not repeat turn 1.
  let posts = 0;
  page.on("request", (request) => (posts += request.url().endsWith("/api/chat") ? 1 : 0));
  await ask(page, "And the weather in Rome?");
  await page.waitForFunction(() => document.querySelectorAll('[data-testid="assistant-message"]').length === 2, null, { timeout: 20_000 });
  await done(page);
  assert.equal(posts, 0, "turn 2 does not come to the head-start route");
  const second = await message.nth(1).innerText();
  assert.match(second, /in Rome/);
  assert.doesNotMatch(second, /Paris/);
  assert.deepEqual(errors, []);
  await close();
});

test("first text comes at least the boot time earlier than without head start", async () => {
  const firstText = async (withHeadStart) => {
    const { page, close } = await open();
    // A first chat warms the page up: its code, its connections.
    await ask(page, "Hello");
    await done(page);
    await by(page, "new-chat").click();
    await page.waitForFunction(() => !document.querySelector('[data-testid="assistant-message"]'));
    if (!withHeadStart) await by(page, "switch-head-start").click();
    await by(page, "composer").fill("Who are you?");
    const ms = page.evaluate(() => new Promise((resolve) => {
      let sent;
      addEventListener("keydown", () => (sent = performance.now()), { once: true, capture: true });
      const seen = () => document.querySelector('[data-testid="assistant-message"] :is([data-testid="part-reasoning"], [data-testid="part-text"])')?.textContent.trim();
      const look = () => (seen() ? resolve(Math.round(performance.now() - sent)) : setTimeout(look, 2));
      look();
    }));
    await by(page, "composer").press("Enter");
    const measured = await ms;
    await done(page);
    await close();
    return measured;
  };
  const on = await firstText(true);
  const off = await firstText(false);
  console.log(`first text: ${on} ms with head start, ${off} ms without`);
  assert.ok(off - on >= BOOT_MS * 0.95, `${off} - ${on} < ${BOOT_MS}`);
});

test("a reload in mid-turn resumes from the session", async () => {
  const { page, errors, close } = await open();
  await ask(page, QUESTION);
  await page.waitForFunction(() => /Let me/.test(document.querySelector('[data-testid="assistant-message"]')?.textContent ?? ""), null, { timeout: 10_000, polling: 10 });
  await page.reload();
  await page.waitForFunction(() => /Anything else\?/.test(document.querySelector('[data-testid="assistant-message"]')?.textContent ?? ""), null, { timeout: 20_000 });
  await done(page);
  const text = await by(page, "assistant-message").innerText();
  assert.equal(text.split("Let me look that up for Paris").length, 2, "step 1 is shown once");
  assert.equal(await by(page, "assistant-message").count(), 1);
  assert.equal(await by(page, "tool-card").count(), 2);
  assert.deepEqual(errors, []);
  await close();
});

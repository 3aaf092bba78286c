// A page whose server is on another origin, in a real browser.
//   CHROMIUM=/usr/bin/chromium
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { chromium } from "playwright-core";
import { startServer } from "./world.mjs";

let server;
let pages;
let browser;
let page;

before(async () => {
  const bundle = await build({
    entryPoints: [fileURLToPath(new URL("./page.mjs", import.meta.url))],
    bundle: true,
    format: "iife",
    platform: "browser",
    write: false,
    // What the packages import on a server only.
    external: ["node:*"],
    define: { "process.env.NODE_ENV": '"production"' },
    logLevel: "error",
  });
  server = await startServer();
  pages = createServer((request, response) => {
    const isScript = request.url === "/page.js";
    response.setHeader("content-type", isScript ? "text/javascript" : "text/html");
    response.end(isScript ? bundle.outputFiles[0].text : '<!doctype html><title>Page</title><script src="/page.js"></script>');
  });
  await new Promise((resolve) => pages.listen(0, "127.0.0.1", resolve));
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
  page = await (await browser.newContext()).newPage();
  await page.goto(`http://127.0.0.1:${pages.address().port}/`);
});

after(async () => {
  await browser?.close();
  pages?.close();
  server?.stop();
});

const converse = (options) => page.evaluate((options) => window.converse(options), { url: server.url, api: server.api, user: "ada", ...options });

test("head start and turn 2 from a page on another origin", async () => {
  assert.notEqual(new URL(server.url).origin, new URL(page.url()).origin);
  const { said, errors, status } = await converse({ id: "cors-1" });
  assert.deepEqual(errors, []);
  assert.deepEqual(said, ["Warm saw 1: Hello", "Agent saw 3: And now?"]);
  assert.equal(status, "ready");
});

test("preload and two turns from a page on another origin", async () => {
  const { said, errors } = await converse({ id: "cors-2", preload: true });
  assert.deepEqual(errors, []);
  assert.deepEqual(said, ["Agent saw 1: Hello", "Agent saw 3: And now?"]);
});

test("a page on another origin sees the status of a refusal, not a network error", async () => {
  const { said, errors } = await converse({ id: "cors-3", user: "eve" });
  assert.deepEqual(said, []);
  assert.match(errors[0], /^403 /);
});

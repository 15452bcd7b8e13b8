// Starts the local stack and the browser, and says what a page of ours must satisfy.
import { spawn } from "node:child_process";
import { mkdir, readFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { createRequire } from "node:module";
import assert from "node:assert/strict";

const tools = createRequire(`${process.cwd()}/target/pages-tools/package.json`);
const { chromium } = tools("playwright-core");
const AXE = tools.resolve("axe-core/axe.min.js");
const PAGE_BYTES_MAX = 40 * 1024;
const SHOTS = "target/pages";

/** Runs the local stack, whose demo has played one job. Returns its address and the link that opens it signed in. */
export async function startStack(program) {
  const child = spawn(program, ["--port", "0"], { stdio: ["ignore", "pipe", "inherit"] });
  const stack = { stop: () => child.kill("SIGINT"), ended: new Promise((end) => child.on("exit", end)) };
  for await (const line of createInterface({ input: child.stdout })) {
    const link = line.match(/dashboard +(http:\S+)/);
    if (link) stack.link = link[1];
    if (line.includes("Operator token")) {
      stack.token = line.split(": ").pop().trim();
      break;
    }
  }
  assert.ok(stack.link, "the local stack printed no link to the dashboard");
  child.stdout.resume();
  stack.base = new URL(stack.link).origin;
  return stack;
}

/** A browser that records everything a page of ours must not do. */
export async function startBrowser(base) {
  await mkdir(SHOTS, { recursive: true });
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"],
  });
  const axe = await readFile(AXE, "utf8");
  return { browser, axe, base, faults: [], shots: 0, checked: 0 };
}

const isOurs = (tools, url) => url.startsWith(tools.base) && !new URL(url).pathname.startsWith("/stand-ins/");

/** A window of the browser. Its pages are watched. */
export async function open(tools, options = {}) {
  const context = await tools.browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  const fault = (text) => tools.faults.push(`${page.url()}: ${text}`);
  page.on("console", (message) => {
    if (message.type() !== "error" || tools.expected?.test(message.text())) return;
    if (isOurs(tools, page.url())) fault(`console: ${message.text()}`);
  });
  page.on("pageerror", (error) => fault(`script: ${error.message}`));
  page.on("request", (request) => {
    const url = request.url();
    if (!url.startsWith(tools.base) && !url.startsWith("data:")) fault(`foreign request: ${url}`);
  });
  page.on("response", async (response) => {
    const url = response.url();
    if (!isOurs(tools, url) || !(response.headers()["content-type"] ?? "").startsWith("text/html")) return;
    const length = Number(response.headers()["content-length"] ?? 0);
    if (length > PAGE_BYTES_MAX) fault(`${url} has ${length} bytes`);
    if (response.status() >= 500) fault(`${url} answered ${response.status()}`);
  });
  return page;
}

/** Looks at a page in every size and scheme, keeps pictures of it and has axe judge it. */
export async function look(tools, page, name) {
  for (const [width, scheme] of [[1280, "light"], [1280, "dark"], [320, "light"], [320, "dark"]]) {
    await page.setViewportSize({ width, height: 900 });
    await page.emulateMedia({ colorScheme: scheme });
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    if (wide > 0) tools.faults.push(`${name}: ${wide} px wider than a window of ${width} px`);
    await page.screenshot({ path: `${SHOTS}/${name}-${width}-${scheme}.png`, fullPage: true });
    tools.shots += 1;
    if (width === 1280 || scheme === "light") await judge(tools, page, `${name} (${width} px, ${scheme})`);
  }
  await page.setViewportSize({ width: 1280, height: 900 });
  await page.emulateMedia({ colorScheme: "light" });
  tools.checked += 1;
}

async function judge(tools, page, name) {
  await page.evaluate(tools.axe);
  const { violations } = await page.evaluate(() => window.axe.run({ resultTypes: ["violations"] }));
  for (const { id, impact, help, nodes } of violations) {
    if (impact !== "serious" && impact !== "critical") continue;
    tools.faults.push(`${name}: ${id}: ${help}: ${nodes.slice(0, 2).map((node) => node.html).join(" | ")}`);
  }
}

export { assert };

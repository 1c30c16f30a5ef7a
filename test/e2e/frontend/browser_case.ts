/** Tests with a browser: skipped with a notice where what they need is not there, unless it is required. */
import type { Browser } from "playwright-core";
import { findPython } from "../../notebooks/jupyter.ts";
import { isRequired } from "../../required.ts";
import { findChromium, withBrowser } from "./browser.ts";

const chromium = await findChromium();

/** A Python that has JupyterLab; not looked for where there is no browser to see it. */
export const labPython: string | undefined = chromium && await findPython("jupyterlab");

/** What a test may need. */
type Need = "Chromium" | "JupyterLab";

/** Registers a test that is given a browser. */
export function browserTest(
  name: string,
  need: Need,
  body: (browser: Browser, t: Deno.TestContext) => Promise<void>,
): void {
  const missing = !chromium ? "Chromium" : need === "JupyterLab" && !labPython ? need : null;
  const ignore = missing !== null && !isRequired("frontend");
  if (ignore) console.log(`${missing} is not there: "${name}" is skipped`);
  Deno.test({
    name,
    ignore,
    // The browser's driver keeps timers and pipes of its own.
    sanitizeOps: false,
    sanitizeResources: false,
    async fn(t) {
      if (missing) throw new Error(`${missing} is required and not there`);
      await withBrowser(chromium!, (browser) => body(browser, t));
    },
  });
}

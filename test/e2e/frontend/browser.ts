/** A headless Chromium, driven by playwright-core. */
import type { Browser } from "playwright-core";
import { onPath } from "../../on_path.ts";

const COMMANDS = ["chromium", "chromium-browser", "google-chrome"];

/** Path of `LONGLENS_CHROMIUM` or of the Chromium on the PATH. */
export async function findChromium(): Promise<string | undefined> {
  const chosen = Deno.env.get("LONGLENS_CHROMIUM");
  if (chosen) return chosen;
  for (const name of COMMANDS) {
    const path = await onPath(name);
    if (path) return path;
  }
}

/** Runs `body` with a browser, which is closed afterwards. */
export async function withBrowser<T>(
  executablePath: string,
  body: (browser: Browser) => Promise<T>,
): Promise<T> {
  const { chromium } = await import("playwright-core");
  const browser = await chromium.launch({ executablePath });
  try {
    return await body(browser);
  } finally {
    await browser.close();
  }
}

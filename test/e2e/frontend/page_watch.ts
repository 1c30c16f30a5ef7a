/** What a page does that a figure must not do. */
import { assert, assertEquals } from "@std/assert";
import type { Page } from "playwright-core";
import { HARM_SHOWS } from "./hostile_texts.ts";

/** Collects what a page does from now on. */
export class PageWatch {
  /** What scripts threw and what was logged as an error, but for what the front end's own scripts log. */
  readonly errors: string[] = [];
  /** Addresses that were asked for and are not the page's own. */
  readonly foreign: string[] = [];
  /** Messages that asked for an answer. */
  readonly dialogs: string[] = [];

  /** Watches `page`. Addresses for which `isOwn` holds may be asked for. */
  constructor(page: Page, isOwn: (url: string) => boolean) {
    page.on("pageerror", ({ stack, message }) => this.errors.push(stack ?? message));
    page.on("console", (message) => {
      const isFrontEnd = message.location().url.includes("/static/lab/");
      if (message.type() === "error" && !isFrontEnd) this.errors.push(message.text());
    });
    page.on("request", (request) => {
      const url = request.url();
      if (!/^(data|blob):/.test(url) && !isOwn(url)) this.foreign.push(url);
    });
    page.on("dialog", async (dialog) => {
      this.dialogs.push(dialog.message());
      await dialog.dismiss().catch(() => {});
    });
  }
}

/** Asserts that a page did nothing that is watched. */
export function assertQuiet({ errors, foreign, dialogs }: PageWatch): void {
  assertEquals({ errors, foreign, dialogs }, { errors: [], foreign: [], dialogs: [] });
}

/** Asserts that a page did nothing that hostile texts want, and is still there. */
export async function assertUnharmed(page: Page, watch: PageWatch): Promise<void> {
  assertEquals(await page.evaluate(HARM_SHOWS), false);
  assertQuiet(watch);
  assert(await page.locator(".ll-figure").count() > 0, "No figure is shown");
}

/** Saves what is seen as `LONGLENS_SCREENSHOTS/name.png`; does nothing where that is not set. */
export async function screenshot(page: Page, name: string): Promise<void> {
  const folder = Deno.env.get("LONGLENS_SCREENSHOTS");
  if (folder) await page.screenshot({ path: `${folder}/${name}.png` });
}

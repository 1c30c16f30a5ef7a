/** Figures of hostile texts in pages of their own, in a real browser. */
import { assert, assertEquals, assertGreater } from "@std/assert";
import { pathToFileURL } from "node:url";
import { inFolder } from "../in_folder.ts";
import { browserTest } from "./frontend/browser_case.ts";
import { hostileFigures } from "./frontend/hostile_figures.ts";
import { HARM_SHOWS, HOSTILE_TEXTS } from "./frontend/hostile_texts.ts";
import { assertUnharmed, PageWatch, screenshot } from "./frontend/page_watch.ts";
import { touchFigures } from "./frontend/touch.ts";

browserTest("hostile texts harm a page that takes them as markup", "Chromium", async (browser) => {
  for (
    const text of HOSTILE_TEXTS.filter((text) => /^<(script|img|svg|details|iframe)/.test(text))
  ) {
    const page = await browser.newPage();
    const watch = new PageWatch(page, () => false);
    await page.setContent(`<p>${text}</p>`);
    await page.waitForTimeout(50);
    const harmed = await page.evaluate(HARM_SHOWS) as boolean;
    assert(harmed || watch.dialogs.length > 0 || watch.foreign.length > 0, text);
    await page.close();
  }
});

browserTest(
  "saved figures of hostile texts are inert",
  "Chromium",
  (browser) =>
    inFolder(async (folder) => {
      const figures = Object.entries(await hostileFigures());
      assertGreater(figures.length, 0);
      for (const [name, figure] of figures) {
        const path = `${folder}/${name}.html`;
        await figure.save(path);
        const page = await browser.newPage();
        const address = pathToFileURL(path).href;
        const watch = new PageWatch(page, (url) => url === address);
        await page.goto(address);
        await touchFigures(page);
        await screenshot(page, `hostile-${name}`);
        await assertUnharmed(page, watch);
        assertEquals(page.url(), address);
        await page.close();
      }
    }),
);

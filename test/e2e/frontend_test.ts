/** Notebooks in a real JupyterLab in a real browser. `LONGLENS_SCREENSHOTS` names a folder for what was seen. */
import { assertEquals, assertGreater, assertMatch, assertStringIncludes } from "@std/assert";
import { basename } from "node:path";
import type { Browser } from "playwright-core";
import { inFolder } from "../in_folder.ts";
import { allNotebooks } from "../notebooks/notebook.ts";
import { runNotebook } from "../notebooks/run_notebook.ts";
import { browserTest, labPython } from "./frontend/browser_case.ts";
import { LabPage } from "./frontend/lab_page.ts";
import { LabServer } from "./frontend/lab_server.ts";
import { NOTEBOOKS } from "./frontend/notebooks.ts";
import { assertQuiet, assertUnharmed, screenshot } from "./frontend/page_watch.ts";
import { writeProject } from "./frontend/project.ts";
import { figuresSeen, touchFigures } from "./frontend/touch.ts";

type Open = (path: string) => Promise<LabPage>;

browserTest(
  "notebooks in JupyterLab",
  "JupyterLab",
  (browser, t) =>
    withLab(browser, async (open) => {
      const own = (await allNotebooks()).map((path) => basename(path));
      for (const name of ["map.ipynb", ...own]) await seeNotebook(t, name, await open(name));
      await t.step("an attention map says what is under the pointer", () => hoverMap(open));
      await t.step(
        "the stop button ends a generation, and the kernel goes on",
        () => stopRun(open),
      );
      await t.step("figures of hostile texts are inert", () => showHostile(open));
    }),
);

/** Serves {@link NOTEBOOKS}, of which the first is executed, and the notebooks of the checkout. */
async function withLab(browser: Browser, body: (open: Open) => Promise<void>): Promise<void> {
  await inFolder((folder) =>
    inFolder(async (home) => {
      await writeProject(folder, NOTEBOOKS);
      for (const path of await allNotebooks()) {
        await Deno.copyFile(path, `${folder}/${basename(path)}`);
      }
      const made = await runNotebook(`${folder}/map.ipynb`, { python: labPython! });
      assertEquals(made.lines, []);
      const server = await LabServer.start(labPython!, folder, home);
      try {
        await body((path) => LabPage.open(browser, server, path));
      } finally {
        await server.stop();
      }
    })
  );
}

/** A notebook from elsewhere is not trusted: the front end takes scripts, styles and SVG elements out of its HTML. */
async function seeNotebook(t: Deno.TestContext, name: string, lab: LabPage): Promise<void> {
  const { all, pictures } = await figuresSeen(lab.page);
  await screenshot(lab.page, `${name}-untrusted`);
  await t.step(`every figure of ${name} shows a picture before the notebook is trusted`, () => {
    assertGreater(all, 0);
    assertEquals(pictures, all);
  });
  await t.step(`${name} shows its figures without errors when it is trusted`, async () => {
    await lab.trust();
    assertEquals((await figuresSeen(lab.page)).all, all);
    await screenshot(lab.page, `${name}-trusted`);
    assertQuiet(lab.watch);
  });
  await lab.page.close();
}

async function hoverMap(open: Open): Promise<void> {
  const lab = await open("map.ipynb");
  await lab.trust();
  const tip = lab.output(0).locator(".ll-figure .ll-tip");
  assertEquals(await tip.isVisible(), false);
  await lab.output(0).locator(".ll-raster").hover({ position: { x: 60, y: 300 } });
  await tip.waitFor({ state: "visible" });
  await screenshot(lab.page, "hover");
  assertMatch(await tip.innerText(), /^query \d+ .*word\d+\nkey \d+ .*word\d+\n.*0\.\d+/);
  await lab.page.close();
}

async function stopRun(open: Open): Promise<void> {
  const lab = await open("stop.ipynb");
  await lab.start(0);
  assertMatch(await lab.ended(0), /^\d{3}$/);
  await lab.start(1);
  await lab.output(1).getByText("it has begun").waitFor();
  await lab.stop();
  assertStringIncludes(await lab.ended(1), "CancelledError: ");
  await lab.start(2);
  assertEquals(await lab.ended(2), "all is there");
  await screenshot(lab.page, "stop");
  await lab.page.close();
}

async function showHostile(open: Open): Promise<void> {
  const lab = await open("hostile.ipynb");
  await lab.start(0);
  await lab.ended(0);
  await touchFigures(lab.page);
  await screenshot(lab.page, "hostile");
  await assertUnharmed(lab.page, lab.watch);
  await lab.page.close();
}

/** A notebook that is open in JupyterLab, and what a person does with it. */
import type { Browser, Locator, Page } from "playwright-core";
import type { LabServer } from "./lab_server.ts";
import { PageWatch } from "./page_watch.ts";

const VIEWPORT = { width: 1200, height: 1000 };

/** Time for JupyterLab to load a notebook, to start its kernel, or to run a cell. */
const PATIENCE_MS = 120_000;

/** A notebook in a front end. */
export class LabPage {
  /** The browser's page. */
  readonly page: Page;
  /** What the page did since it was opened. */
  readonly watch: PageWatch;

  private constructor(page: Page, server: LabServer) {
    this.page = page;
    this.watch = new PageWatch(page, (url) => server.owns(url));
  }

  /** Opens a notebook by its path on the server and waits for its kernel. */
  static async open(browser: Browser, server: LabServer, path: string): Promise<LabPage> {
    const page = await browser.newPage({ viewport: VIEWPORT });
    page.setDefaultTimeout(PATIENCE_MS);
    const opened = new LabPage(page, server);
    await page.goto(server.url(path));
    await page.locator(".jp-Notebook .jp-Cell").first().waitFor();
    await opened.#idle();
    return opened;
  }

  /** Lets the notebook run the scripts of its stored outputs. */
  async trust(): Promise<void> {
    const done = this.page.evaluate(`jupyterapp.commands.execute("notebook:trust")`);
    await this.page.locator(".jp-Dialog .jp-mod-accept").click();
    await done;
  }

  /** The cell, counted from 0 over all cells. */
  cell(index: number): Locator {
    return this.page.locator(".jp-Notebook .jp-Cell").nth(index);
  }

  /** What the cell shows below its text. */
  output(index: number): Locator {
    return this.cell(index).locator(".jp-Cell-outputArea");
  }

  /** Begins to run a cell. */
  async start(index: number): Promise<void> {
    await this.cell(index).locator(".jp-InputPrompt").click();
    await this.page.keyboard.press("Control+Enter");
    await this.page.getByText("Deno | Busy").waitFor();
  }

  /** Waits until the cell that runs has ended, and returns the text of its output. */
  async ended(index: number): Promise<string> {
    await this.cell(index).locator(".jp-InputPrompt").filter({ hasText: /\[\d+\]/ }).waitFor();
    await this.#idle();
    const texts = await this.output(index).locator(".jp-OutputArea-output").allInnerTexts();
    return texts.join("\n").trim();
  }

  /** Presses the button that stops the kernel. */
  async stop(): Promise<void> {
    await this.page.locator('[data-command="notebook:interrupt-kernel"]').first().click();
  }

  async #idle(): Promise<void> {
    await this.page.getByText("Deno | Idle").waitFor();
  }
}

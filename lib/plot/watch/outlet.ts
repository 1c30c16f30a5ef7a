/** Where views that change are shown: a notebook's display, or one line of a terminal. */
import type { MediaBundle } from "../figure.ts";
import { type LiveDisplay, liveDisplay } from "./jupyter.ts";
import { TerminalLine } from "./terminal_line.ts";

/** Something that changes and can be shown as it is now. */
export interface View {
  /** What a notebook shows. */
  bundle(): Promise<MediaBundle>;
  /** What a terminal of so many columns shows. */
  line(columns: number): string;
}

/** Where a view is shown. */
export interface Outlet {
  /** Shows the view in place of its state before. */
  show(view: View): Promise<void>;
  /** Shows the view for the last time and waits until it has arrived. */
  finish(view: View): Promise<void>;
}

/** Where a view can be shown here; `null` where nobody would see it. */
export function openOutlet(): Outlet | null {
  const display = liveDisplay();
  if (display) return notebookOutlet(display);
  const line = new TerminalLine(Deno.stdout);
  return line.shown ? terminalOutlet(line) : null;
}

/** A display of a notebook. */
export function notebookOutlet(display: LiveDisplay): Outlet {
  const show = async (view: View) => display.show(await view.bundle());
  return {
    show,
    async finish(view) {
      await show(view);
      await display.flush();
    },
  };
}

/** A line of a terminal, which stays in the end. */
export function terminalOutlet(line: TerminalLine): Outlet {
  return {
    show: (view) => Promise.resolve(line.show(view.line(line.columns))),
    finish(view) {
      line.show(view.line(line.columns));
      line.end();
      return Promise.resolve();
    },
  };
}

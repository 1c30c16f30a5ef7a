/** Runs, kernels and terminals without a model, a notebook or a screen. */
import { Run } from "../../lib/engine/run.ts";
import type {
  LiveCapture,
  LiveGeneration,
  LiveRun,
  LiveSource,
  LiveStep,
} from "../../lib/plot/watch/live_types.ts";
import type { Jupyter } from "../../lib/plot/watch/jupyter.ts";
import { liveDisplay } from "../../lib/plot/watch/jupyter.ts";
import { notebookOutlet, type Outlet } from "../../lib/plot/watch/outlet.ts";
import type { ProgressEvent } from "../../lib/plot/progress.ts";

/** What a fake step is made of. */
export interface FakeStep {
  /** Place of the token. */
  readonly index: number;
  /** Row of each captured head, by `"layer,head"`. */
  readonly rows?: Readonly<Record<string, ArrayLike<number>>>;
  /** Keys that each head of each layer retrieved. */
  readonly retrieved?: readonly number[];
  /** Heads of a layer. */
  readonly heads?: number;
  /** Milliseconds. */
  readonly ms?: number;
}

/** A step with rows that were made up. */
export function fakeStep(parts: FakeStep): LiveStep {
  const { index, rows = {}, retrieved = [], heads = 2, ms = 4 } = parts;
  const captured = Object.keys(rows).map((name) => {
    const [layer, head] = name.split(",").map(Number);
    return { layer: layer!, head: head! };
  });
  return {
    kind: "step",
    index,
    ms,
    counts: { scanned: index, attended: 2 * index, keys: 4 * index },
    captured,
    attention: (layer, head) => Float32Array.from(rows[`${layer},${head}`]!),
    retrieval: () => ({ indices: retrieved }),
    plan: () => ({ heads: new Array(heads) }),
  };
}

/** Progress through a question. */
export function fakeProgress(done: number, total: number, ms = 10): ProgressEvent {
  return { kind: "progress", done, total, ms };
}

/** A result. */
export const GENERATION: LiveGeneration = {
  text: " it is 7",
  ids: Int32Array.of(1, 2, 3),
  reason: "stop",
  msPerToken: 4,
};

/** What the session of a fake run tells. */
export function fakeSource(tokens: readonly string[]): LiveSource {
  return {
    method: "retrieval",
    tokens: (start, end) => tokens.slice(start, end),
    memory: () => ({ tokens: tokens.length, kvBytes: 4e6, residentBytes: 1e6 }),
  };
}

type Event = LiveStep | ProgressEvent;

/** A run of a generation that does what `work` does. */
export function fakeRun(
  tokens: readonly string[],
  work: (emit: (event: Event) => void, signal: AbortSignal) => Promise<void> | void,
  options: { capture?: LiveCapture; signal?: AbortSignal } = {},
): LiveRun & { cancel(): void } {
  const run = new Run<Event, LiveGeneration>(async (emit, signal) => {
    await work(emit, signal);
    return GENERATION;
  }, { signal: options.signal });
  return Object.assign(run, { capture: options.capture, source: fakeSource(tokens) });
}

/** Something that was shown in a fake notebook. */
export interface Shown {
  /** When. */
  readonly at: number;
  /** Id of the display. */
  readonly id: string;
  /** Whether it took the place of what was there. */
  readonly update: boolean;
  /** What was shown. */
  readonly bundle: Readonly<Record<string, string>>;
}

/** A notebook's kernel that keeps what it is given. */
export class FakeJupyter implements Jupyter {
  /** What was shown, in order. */
  readonly shown: Shown[] = [];

  /** Shows a bundle. */
  display(
    bundle: Readonly<Record<string, string>>,
    { display_id, update = false }: { raw: true; display_id: string; update?: boolean },
  ): Promise<void> {
    this.shown.push({ at: performance.now(), id: display_id, update, bundle });
    return Promise.resolve();
  }

  /** Views are shown here. */
  outlet(): Outlet {
    return notebookOutlet(liveDisplay(this)!);
  }

  /** What is shown in the end. */
  get last(): Readonly<Record<string, string>> {
    return this.shown.at(-1)!.bundle;
  }
}

/** A terminal that keeps what is written. */
export class FakeTerminal {
  /** What was written. */
  written = "";
  readonly #terminal: boolean;

  /** Says that somebody sees it, or that nobody does. */
  constructor(terminal = true) {
    this.#terminal = terminal;
  }

  /** Whether somebody sees it. */
  isTerminal(): boolean {
    return this.#terminal;
  }

  /** Writes. */
  writeSync(bytes: Uint8Array): number {
    this.written += new TextDecoder().decode(bytes);
    return bytes.length;
  }

  /** The states of the line. */
  get lines(): string[] {
    return this.written.split("\r\x1b[2K").slice(1).map((line) => line.replace(/\n$/, ""));
  }
}

/** Waits. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Waits until something holds. */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await pause(5);
}

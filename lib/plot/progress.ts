import { escapeText } from "./draw/escape.ts";
import type { MediaBundle } from "./figure.ts";
import { follow, type Followed, type RunState, type RunView, stateAfter } from "./watch/follow.ts";
import { reasonOf } from "../trace/trace_error.ts";
import { frame, uniqueId } from "./draw/frame.ts";
import { grouped, msText, rateText } from "./draw/number_text.ts";
import { BLUE, css } from "./draw/palette.ts";
import { openOutlet, type Outlet } from "./watch/outlet.ts";
import { barText } from "./watch/terminal_line.ts";

/** How far a run has come. */
export interface ProgressEvent {
  /** Tells it from other events. */
  readonly kind: "progress";
  /** Tokens done in this run. */
  readonly done: number;
  /** Tokens of this run. */
  readonly total: number;
  /** Milliseconds since the run began. */
  readonly ms: number;
}

/** Options of {@link progress}. */
export interface ProgressOptions {
  /**
   * What is being done.
   * @default "Reading"
   */
  readonly title?: string;
}

/**
 * Shows how far a run has come, with tokens a second and the time left, and gives the run's result. In a notebook this
 * is one display that is updated, in a terminal one line; where stdout is neither, nothing is shown. When the run fails
 * or is stopped, the display says where, and the error comes through.
 */
export function progress<Result>(
  run: Followed<{ readonly kind: string }, Result>,
  options: ProgressOptions = {},
): Promise<Result> {
  return showProgress(run, options, openOutlet());
}

/** {@link progress} in an outlet of the caller's. */
export function showProgress<Result>(
  run: Followed<{ readonly kind: string }, Result>,
  { title = "Reading" }: ProgressOptions,
  outlet: Outlet | null,
): Promise<Result> {
  return follow(run, new ProgressView(title), outlet);
}

class ProgressView implements RunView<{ readonly kind: string }, unknown> {
  readonly #title: string;
  readonly #id = uniqueId();
  #at: ProgressEvent = { kind: "progress", done: 0, total: 0, ms: 0 };
  #state: RunState = "running";
  #reason = "";

  constructor(title: string) {
    this.#title = title;
  }

  see(event: { readonly kind: string }): void {
    if (event.kind === "progress") this.#at = event as ProgressEvent;
  }

  done(): void {
    this.#state = "done";
  }

  failed(error: unknown): void {
    this.#state = stateAfter(error);
    if (this.#state === "failed") this.#reason = reasonOf(error);
  }

  line(): string {
    return `${barText(this.#share())}  ${this.#title}${this.#words()}`;
  }

  bundle(): Promise<MediaBundle> {
    const html = `<div style="display:flex;gap:10px;align-items:center;flex-wrap:wrap">` +
      `<b>${escapeText(this.#title)}</b>${this.#bar()}` +
      `<span style="font-variant-numeric:tabular-nums">${escapeText(this.#words())}</span></div>`;
    const text = this.line();
    return Promise.resolve({ "text/plain": text, "text/html": frame({ svg: "", html }, this.#id) });
  }

  /** What follows the title. */
  #words(): string {
    const { done, total, ms } = this.#at;
    const where = `${grouped(done)} of ${grouped(total)} tokens`;
    const after = `at ${where} after ${msText(ms)}`;
    if (this.#state === "stopped") return ` stopped ${after}`;
    if (this.#state === "failed") return ` failed ${after}: ${this.#reason}`;
    if (done === 0) return this.#state === "done" ? ": done" : "";
    const rate = rateText(done, ms);
    if (this.#state === "done") return `: ${grouped(done)} tokens in ${msText(ms)}, ${rate}`;
    return `: ${where}, ${rate}, ${msText((total - done) * ms / done)} left`;
  }

  #bar(): string {
    const percent = (100 * this.#share()).toFixed(1);
    return `<span role="progressbar" aria-valuenow="${percent}" style="flex:0 0 200px;height:8px;` +
      `border-radius:4px;background-color:rgba(128,128,128,.25);overflow:hidden">` +
      `<span style="display:block;height:100%;width:${percent}%;` +
      `background-color:${css(BLUE)}"></span></span>`;
  }

  #share(): number {
    const { done, total } = this.#at;
    if (total > 0) return done / total;
    return this.#state === "done" ? 1 : 0;
  }
}

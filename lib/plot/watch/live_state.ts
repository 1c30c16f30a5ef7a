import { reasonOf } from "../../trace/trace_error.ts";
import { type RunState, stateAfter } from "./follow.ts";
import { LiveAttention } from "./live_attention.ts";
import type { LiveCapture, LiveCounts, LiveGeneration, LiveStep } from "./live_types.ts";
import type { ProgressEvent } from "../progress.ts";

/** What is known of a generation while it runs and after. */
export class LiveState {
  /** What became of the run. */
  state: RunState = "running";
  /** Why it failed, or why the generation ended. */
  reason = "";
  /** How much of the question was read; `null` where no question is. */
  reading: ProgressEvent | null = null;
  /** Place of the first generated token; `null` before it. */
  first: number | null = null;
  /** Generated tokens. */
  steps = 0;
  /** Milliseconds of all steps. */
  ms = 0;
  /** Pairs of the last step. */
  last: LiveCounts = NO_COUNTS;
  /** Pairs of all steps. */
  all: LiveCounts = NO_COUNTS;
  /** Where the steps looked. */
  readonly attention: LiveAttention;

  /** Nothing yet. */
  constructor(chosen: Required<LiveCapture>) {
    this.attention = new LiveAttention(chosen);
  }

  /** Takes an event in. */
  see(event: LiveStep | ProgressEvent): void {
    if (event.kind === "progress") {
      this.reading = event;
      return;
    }
    this.first ??= event.index;
    this.steps++;
    this.ms += event.ms;
    this.last = event.counts;
    this.all = sumOf(this.all, event.counts);
    this.attention.add(event);
  }

  /** Takes the result in. */
  done({ reason }: LiveGeneration): void {
    this.state = "done";
    this.reason = reason;
  }

  /** Takes in why there is no result. */
  failed(error: unknown): void {
    this.state = stateAfter(error);
    this.reason = this.state === "failed" ? reasonOf(error) : "";
  }
}

const NO_COUNTS: LiveCounts = { scanned: 0, attended: 0, keys: 0 };

function sumOf(a: LiveCounts, b: LiveCounts): LiveCounts {
  return {
    scanned: a.scanned + b.scanned,
    attended: a.attended + b.attended,
    keys: a.keys + b.keys,
  };
}

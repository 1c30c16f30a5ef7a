import { meanOf } from "./draw/averages.ts";
import { fromTo, grouped } from "./draw/number_text.ts";
import { Figure } from "./figure.ts";
import type { FigureOptions } from "./options.ts";
import { drawTimeline, type KeyKind } from "./timeline/timeline_picture.ts";
import {
  gatherTimeline,
  keysIn,
  type KvTimelineStep,
  type Timeline,
} from "./timeline/timeline_rows.ts";

export type { KeyRange } from "./retrieval/step_rows.ts";
export type { KvTimelineStep } from "./timeline/timeline_rows.ts";

/**
 * How a head's cache evolves while tokens are generated: steps from top to bottom, positions from left to right. Lines are
 * the keys that are attended at every step, ticks those that an index found, boxes those that were appended to it as they
 * left the window.
 *
 * @throws {RangeError} when there are no steps, one occurs twice, or a number is out of range
 *
 * @example
 * ```ts
 * import { type KvTimelineStep, plot, type Step } from "@longlens/longlens";
 *
 * function rowOf(step: Step, layer: number, head: number): KvTimelineStep {
 *   const { indices, keys } = step.retrieval(layer, head);
 *   const plan = step.plan(layer).heads[head];
 *   const ranges: [number, number][] = plan?.kind === "staticPlusRetrieved"
 *     ? [[0, Math.min(plan.sink, keys)], [Math.max(0, keys - plan.window), keys]]
 *     : [];
 *   return { step: step.index, token: step.text, indices, ranges, keys };
 * }
 *
 * function timeline(steps: readonly Step[]) {
 *   return plot.kvTimeline(steps.map((step) => rowOf(step, 2, 0)));
 * }
 * ```
 */
export function kvTimeline(steps: readonly KvTimelineStep[], options: FigureOptions = {}): Figure {
  const { width = 640 } = options;
  const timeline = gatherTimeline(steps);
  const title = options.title ?? titleOf(timeline);
  const legend = legendOf(timeline);
  const facts = factsOf(timeline);
  return new Figure({
    text: `${title}: ${[...Object.values(legend), ...facts].join("; ")}`,
    draw: (how) => drawTimeline({ timeline, legend, facts, title, width: how.width ?? width }),
  });
}

function titleOf({ steps }: Timeline): string {
  return `Keys in ${grouped(steps.length)} ${steps.length === 1 ? "step" : "steps"}`;
}

function legendOf({ steps }: Timeline): Record<KeyKind, string> {
  const fixed = meanOf(steps.map(({ ranges = [] }) => keysIn(ranges)));
  const found = meanOf(steps.map(({ indices }) => indices.length));
  const added = steps.reduce((sum, { appended = [] }) => sum + keysIn(appended), 0);
  return {
    static: `line: sinks and window, ${grouped(fixed)} keys a step`,
    retrieved: `tick: retrieved, ${grouped(found)} a step`,
    appended: `box: appended to the index, ${grouped(added)} in all`,
  };
}

function factsOf({ steps, rows, axis }: Timeline): string[] {
  const facts = [
    `${fromTo(steps[0]!.keys, steps.at(-1)!.keys)} keys`,
    "grey: keys that were not attended",
  ];
  if (axis.bins < axis.tokens || steps.length > rows.length) facts.push("darker: more keys");
  if (steps.length > rows.length) {
    facts.push(`up to ${Math.ceil(steps.length / rows.length)} steps a row`);
  }
  return facts;
}

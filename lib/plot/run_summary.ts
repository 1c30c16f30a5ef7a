import { Figure } from "./figure.ts";
import { bytesText, grouped, msText, percentText, rateText } from "./draw/number_text.ts";
import type { FigureOptions } from "./options.ts";
import { type RunParts, type RunReport, runReport, totalMs } from "./run/run_phases.ts";
import { drawRun } from "./run/run_picture.ts";

export type { RunCounts, RunMemory, RunParts, RunPhase, RunReport } from "./run/run_phases.ts";

/**
 * Where the time of a run went: its phases as one bar and as a table with tokens a second, what keys and values take,
 * and which shares of the query-key pairs were scanned and attended. Takes phases, or what a session's runs gave.
 *
 * @throws {RangeError} when the run took no time or a number is out of range
 *
 * @example
 * ```ts
 * import { plot, type Session, type Step } from "@longlens/longlens";
 *
 * async function summarize(session: Session, context: string) {
 *   const prefill = await session.prefill(context);
 *   const steps: Step[] = [];
 *   for await (const event of session.generate()) if (event.kind === "step") steps.push(event);
 *   return plot.runSummary({ prefill, steps, memory: session.memory() });
 * }
 * ```
 */
export function runSummary(data: RunReport | RunParts, options: FigureOptions = {}): Figure {
  const report = runReport(data);
  const { width = 640, title = `Where ${msText(totalMs(report.phases))} went` } = options;
  return new Figure({
    text: `${title}: ${factsOf(report).join("; ")}`,
    draw: (how) => drawRun({ report, title, width: how.width ?? width }),
  });
}

function factsOf({ phases, memory, counts }: RunReport): string[] {
  const facts = phases.map(({ name, ms, tokens }) => {
    const speed = tokens === undefined
      ? ""
      : ` (${grouped(tokens)} tokens, ${rateText(tokens, ms)})`;
    return `${name} ${msText(ms)}${speed}`;
  });
  if (memory) facts.push(`keys and values ${bytesText(memory.kvBytes)}`);
  if (memory?.residentBytes !== undefined) {
    facts.push(`fast tier ${bytesText(memory.residentBytes)}`);
  }
  if (counts && counts.keys > 0) {
    const { scanned, attended, keys } = counts;
    facts.push(
      `scanned ${percentText(scanned / keys)}, attended ${percentText(attended / keys)} of ` +
        `${grouped(keys)} query-key pairs`,
    );
  }
  return facts;
}

/** Records cases: what they call, and what the reference backend makes of the same data. */
import type { Compute } from "../../ffi/backend.ts";
import { openReferenceBackend } from "../../ffi/reference_backend.ts";
import { Scope } from "../kernels/scope.ts";
import type { Outcome } from "../kernels/tolerance.ts";
import { Random } from "../random.ts";
import { type Expectation, type Recording, writeCases } from "./case_file.ts";
import { Recorder } from "./recorder.ts";

/** A case to record: the same work on both backends gives the same outcomes. */
export interface Case {
  /** Its name. */
  readonly name: string;
  /** Largest relative error of a row. */
  readonly tolerance: number;
  /** Does the work; `random` gives both backends the same data. No tensor may be read that was never written. */
  readonly work: (scope: Scope, random: Random) => Promise<readonly Outcome[]>;
  /** Whether its last call is cancelled while it runs, so that nothing is expected. */
  readonly isCancelled?: boolean;
  /** What its calls ask the library to multiply. @default "f32" */
  readonly compute?: Compute;
}

/** Records `cases` into the file at `path`. */
export async function recordCases(path: string, cases: readonly Case[]): Promise<Recording[]> {
  const recordings: Recording[] = [];
  for (const [seed, one] of cases.entries()) recordings.push(await record(one, seed));
  await writeCases(path, recordings);
  return recordings;
}

async function record(one: Case, seed: number): Promise<Recording> {
  const recorder = new Recorder();
  using scope = new Scope(recorder.open(one.compute ?? "f32"));
  const cells = await one.work(scope, new Random(seed));
  const expectations = [...recorder.expectations];
  const wanted = one.isCancelled ? [] : await reference(one, seed);
  for (const [i, outcome] of wanted.entries()) {
    expectations.push(expectation(recorder, cells[i]!, outcome, one.tolerance));
  }
  return { name: one.name, blocks: recorder.blocks, calls: recorder.calls, expectations };
}

async function reference({ work }: Case, seed: number): Promise<readonly Outcome[]> {
  using scope = new Scope(openReferenceBackend());
  return await work(scope, new Random(seed));
}

function expectation(
  recorder: Recorder,
  cells: Outcome,
  { name, values, width, floor = 0 }: Outcome,
  tolerance: number,
): Expectation {
  const { address, isFloat } = recorder.placeOf(cells.values);
  const elements = isFloat ? values : Int32Array.from(values);
  return { name, address, values: elements, width, floor, tolerance };
}

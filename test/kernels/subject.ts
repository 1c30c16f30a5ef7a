/** The backend under test, and how a property compares it with the reference. */
import fc from "fast-check";
import type { Backend } from "../../ffi/backend.ts";
import { openReferenceBackend } from "../../ffi/reference_backend.ts";
import { Random } from "../random.ts";
import { Scope } from "./scope.ts";
import { assertClose, type Outcome } from "./tolerance.ts";

/** Opens the backend under test; called by every test, because an instruction set is a global choice. */
export type OpenBackend = () => Promise<Backend>;

/** The backend under test. */
export interface Subject {
  /** First words of its tests' names. */
  readonly name: string;
  /** Opens it. */
  readonly open: OpenBackend;
  /** Share of a property's random cases that are tried: less than 1 where an emulated backend is slow. */
  readonly share: number;
  /**
   * How many times the tokens of a CPU's calls a call needs to take long; null where times mean nothing, as of emulated
   * kernels: what is tested about time is left out.
   */
  readonly pace: number | null;
}

/** What may be said of a subject beside its name. */
export type SubjectOptions = Partial<Pick<Subject, "share" | "pace">>;

/** How many of `runs` random cases are tried: at least one. */
export function runsOf({ share }: Subject, runs: number): number {
  return Math.ceil(share * runs);
}

/** A property: the same work on both backends gives the same outcomes. */
export interface Parity<P> {
  /** Random cases. */
  readonly runs: number;
  /** Parameters of a case. */
  readonly shapes: fc.Arbitrary<P>;
  /** Largest relative error of a row. */
  readonly tolerance: number | ((shape: P) => number);
  /** Does the work; `random` gives both backends the same data. */
  readonly work: (scope: Scope, random: Random, shape: P) => Promise<Outcome[]>;
  /** The work of the reference where it differs. */
  readonly expected?: (scope: Scope, random: Random, shape: P) => Promise<Outcome[]>;
}

/** Registers a test of the backend. */
export function test(
  subject: Subject,
  criterion: string,
  body: (backend: Backend) => Promise<void>,
): void {
  Deno.test(`${subject.name}: ${criterion}`, async () => await body(await subject.open()));
}

/** Registers a property test against the reference. */
export function parity<P>(subject: Subject, criterion: string, property: Parity<P>): void {
  const { runs, shapes, tolerance, work, expected = work } = property;
  beside(subject, criterion, {
    ...{ runs, shapes, seed: 20250611, limitMs: 60_000 },
    compare: async (tested, reference, seed, shape) => {
      const wanted = await expected(reference, new Random(seed), shape);
      const limit = typeof tolerance === "number" ? tolerance : tolerance(shape);
      for (const [i, actual] of (await work(tested, new Random(seed), shape)).entries()) {
        assertClose(actual, wanted[i]!, limit);
      }
    },
  });
}

/** Random cases. */
interface Cases<P> {
  /** How many. */
  readonly runs: number;
  /** Gives the same ones every time. */
  readonly seed: number;
  /** Parameters of a case. */
  readonly shapes: fc.Arbitrary<P>;
}

/** A property of the backend beside the reference. */
export interface Beside<P> extends Cases<P> {
  /**
   * Milliseconds after which no other case is tried.
   * @default all are
   */
  readonly limitMs?: number;
  /** Fails where they differ; equal seeds give both the same data. */
  readonly compare: (tested: Scope, reference: Scope, seed: number, shape: P) => Promise<void>;
}

/** Registers a property test beside the reference. */
export function beside<P>(
  subject: Subject,
  criterion: string,
  { runs, seed, shapes, limitMs, compare }: Beside<P>,
): void {
  test(subject, criterion, async (backend) => {
    const holds = fc.asyncProperty(fc.nat(), shapes, async (seed, shape) => {
      using tested = new Scope(backend);
      using reference = new Scope(openReferenceBackend());
      await compare(tested, reference, seed, shape);
    });
    const limit = limitMs === undefined ? {} : { interruptAfterTimeLimit: limitMs };
    await fc.assert(holds, { seed, numRuns: runsOf(subject, runs), ...limit });
  });
}

/** A property of the backend alone. */
export interface Property<P> extends Cases<P> {
  /** Fails where it does not hold. */
  readonly check: (scope: Scope, random: Random, shape: P) => Promise<void>;
}

/** Registers a property test. */
export function property<P>(
  subject: Subject,
  criterion: string,
  { runs, seed, shapes, check }: Property<P>,
): void {
  test(subject, criterion, async (backend) => {
    const holds = fc.asyncProperty(fc.nat(), shapes, async (seed, shape) => {
      using scope = new Scope(backend);
      await check(scope, new Random(seed), shape);
    });
    await fc.assert(holds, { seed, numRuns: runsOf(subject, runs) });
  });
}

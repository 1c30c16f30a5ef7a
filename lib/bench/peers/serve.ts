/** The side of the child: answers requests on the standard input with what an attention of some package does. */
import type { PeerCase } from "../peer.ts";
import { RandomRows } from "../random_rows.ts";
import { lines } from "./lines.ts";
import { type CheckData, fromText, type Hello, type Reply, type Request } from "./protocol.ts";
import { rowsOf, toText } from "./protocol.ts";

const LEAST_REPETITIONS = 3;

/** Data of a case. */
export interface Arrays {
  /** Queries, `[rows, heads, dim]`. */
  readonly q: Float32Array<ArrayBuffer>;
  /** Keys, `[tokens, kvHeads, dim]`. */
  readonly k: Float32Array<ArrayBuffer>;
  /** Values, `[tokens, kvHeads, dim]`. */
  readonly v: Float32Array<ArrayBuffer>;
}

/** One attention, ready to run. */
export interface Attention {
  /** What a reader should know about how it is measured. */
  readonly note?: string;
  /** Runs it once: this is what is measured. */
  run(): Promise<void> | void;
  /** Output of the last run, `[rows, heads, dim]`. */
  out(): Float32Array<ArrayBuffer>;
  /** Frees what it holds. */
  close(): Promise<void> | void;
}

/** A package that is loaded. */
export interface Package {
  /** What it is. */
  readonly hello: Hello;
  /** Makes the attention of a case ready. */
  prepare(c: PeerCase, arrays: Arrays): Promise<Attention> | Attention;
}

/** Says what is there, then measures until the input ends. */
export async function serve(load: () => Promise<Package>): Promise<void> {
  await serveRequests(load, (loaded, request) => answer(loaded, request as Request));
}

/** Says what is there, then answers until the input ends. */
export async function serveRequests<Loaded extends { readonly hello: Hello }>(
  load: () => Promise<Loaded>,
  answer: (loaded: Loaded, request: unknown) => Promise<object>,
): Promise<void> {
  const loaded = await load().catch((error: unknown) => ({ missing: message(error) }));
  if ("missing" in loaded) return say(loaded);
  say(loaded.hello);
  for await (const line of lines(Deno.stdin.readable.getReader())) {
    say(await answer(loaded, JSON.parse(line)).catch((error) => ({ error: message(error) })));
  }
}

async function answer({ prepare }: Package, { case: c, data }: Request): Promise<Reply> {
  const attention = await prepare(c, data ? arraysOf(data) : randomArrays(c));
  try {
    if (data === undefined) return await measured(attention, c.seconds);
    await attention.run();
    return { out: toText(attention.out()) };
  } finally {
    await attention.close();
  }
}

async function measured(attention: Attention, seconds: number): Promise<Reply> {
  await attention.run();
  const milliseconds: number[] = [];
  const end = performance.now() + 1000 * seconds;
  while (milliseconds.length < LEAST_REPETITIONS || performance.now() < end) {
    const start = performance.now();
    await attention.run();
    milliseconds.push(performance.now() - start);
  }
  return { milliseconds, ...(attention.note === undefined ? {} : { note: attention.note }) };
}

function arraysOf({ q, k, v }: CheckData): Arrays {
  return { q: fromText(q), k: fromText(k), v: fromText(v) };
}

function randomArrays(c: PeerCase): Arrays {
  const random = new RandomRows(c.seed);
  const rows = (count: number) => random.rows(count, c.dim) as Float32Array<ArrayBuffer>;
  return {
    q: rows(rowsOf(c) * c.heads),
    k: rows(c.tokens * c.kvHeads),
    v: rows(c.tokens * c.kvHeads),
  };
}

function message(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function say(reply: object): void {
  const line = new TextEncoder().encode(`${JSON.stringify(reply)}\n`);
  for (let done = 0; done < line.length;) done += Deno.stdout.writeSync(line.subarray(done));
}

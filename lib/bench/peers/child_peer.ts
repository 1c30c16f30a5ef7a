/** Peers that are measured in child processes, within limits of memory and time. */
import { freeMemoryBytes } from "../../engine/free_memory.ts";
import type { Peer, PeerCase, PeerFinder, PeerResult } from "../peer.ts";
import { type AskOptions, type ChildCommand, PeerChild } from "./peer_child.ts";
import { PeerError } from "./peer_error.ts";
import { type CheckData, fromText, type Hello, type Reply, type Request } from "./protocol.ts";

/** Part of the free memory that a case may take. */
const MEMORY_SHARE = 0.5;

/** A case may take this many times the seconds its repetitions should take: three slow ones and a warm-up, too. */
const PATIENCE = 20;

/** What is known of a peer before it is found. */
export interface PeerProgram {
  /** Name of the peer. */
  readonly name: string;
  /** How its child is started. */
  command(): ChildCommand;
  /** Why it cannot run a case, memory aside; undefined where it can. */
  refuses(c: PeerCase): string | undefined;
  /** Bytes that its child will need for a case; `square`: it makes a matrix of all scores. */
  memoryBytes(c: PeerCase, square: boolean): number;
}

/** Limits of time. */
export interface PeerLimits {
  /**
   * Milliseconds in which a child must have started.
   * @default 60000
   */
  readonly startMs?: number;
  /**
   * Milliseconds a case may take besides its repetitions: the child starts, makes data and warms up.
   * @default 60000
   */
  readonly extraMs?: number;
}

/** A peer whose child process answered. A child that was killed is started again by the next case. */
export class ChildPeer implements Peer {
  /** Its name. */
  readonly name: string;
  /** Its version, from the package. */
  readonly version: string;
  readonly #program: PeerProgram;
  readonly #limits: Required<PeerLimits>;
  readonly #square: boolean;
  #child: PeerChild | null;

  private constructor(
    program: PeerProgram,
    limits: Required<PeerLimits>,
    { version, square = false }: Exclude<Hello, { missing: string }>,
    child: PeerChild,
  ) {
    this.name = program.name;
    this.version = version;
    this.#program = program;
    this.#limits = limits;
    this.#square = square;
    this.#child = child;
  }

  /** Starts the child and asks what it is. */
  static async find(
    program: PeerProgram,
    { startMs = 60_000, extraMs = 60_000 }: PeerLimits = {},
  ): Promise<ChildPeer | { readonly missing: string }> {
    try {
      const { child, hello } = await start(program, { timeoutMs: startMs });
      return new ChildPeer(program, { startMs, extraMs }, hello, child);
    } catch (error) {
      if (error instanceof PeerError) return { missing: error.message };
      throw error;
    }
  }

  /** Process number of its child; undefined while none runs. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Why it cannot run a case; undefined where it can. */
  accepts(c: PeerCase): string | undefined {
    const refused = this.#program.refuses(c);
    if (refused !== undefined) return refused;
    const needed = this.#program.memoryBytes(c, this.#square);
    const allowed = MEMORY_SHARE * freeMemoryBytes();
    return needed <= allowed ? undefined : tooLarge(needed, allowed);
  }

  /**
   * Runs a case.
   *
   * @throws {PeerError} when the child fails or exceeds its time
   */
  async measure(c: PeerCase, signal?: AbortSignal): Promise<PeerResult> {
    const { milliseconds, note } = await this.#ask({ case: c }, signal);
    if (!isTimes(milliseconds)) {
      throw new PeerError(`Cannot read ${this.name} as it answered no times: ${milliseconds}`);
    }
    return { milliseconds, ...(note === undefined ? {} : { note }) };
  }

  /** Output of the attention that is measured for given data, `[rows, heads, dim]`. */
  async check(c: PeerCase, data: CheckData, signal?: AbortSignal): Promise<Float32Array> {
    const { out } = await this.#ask({ case: c, data }, signal);
    if (typeof out === "string") return fromText(out);
    throw new PeerError(`Cannot read ${this.name} as it answered no output: ${out}`);
  }

  /** Ends its process. */
  async close(): Promise<void> {
    const child = this.#child;
    this.#child = null;
    await child?.close();
  }

  async #ask(request: Request, signal?: AbortSignal): Promise<Reply> {
    const refused = this.accepts(request.case);
    if (refused !== undefined) throw new PeerError(`Cannot measure ${this.name} as ${refused}`);
    try {
      const child = this.#child ??= await this.#restarted(signal);
      const timeoutMs = this.#limits.extraMs + 1000 * PATIENCE * request.case.seconds;
      const reply = await child.ask(request, { timeoutMs, signal }) as Reply;
      if (reply.error === undefined) return reply;
      throw new PeerError(`Cannot measure ${this.name} as it failed: ${reply.error}`);
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  async #restarted(signal?: AbortSignal): Promise<PeerChild> {
    return (await start(this.#program, { timeoutMs: this.#limits.startMs, signal })).child;
  }
}

/** Looks for the peer of a program. */
export function childFinder(program: PeerProgram): PeerFinder {
  return { name: program.name, find: () => ChildPeer.find(program) };
}

async function start(program: PeerProgram, options: AskOptions) {
  const child = spawn(program);
  const hello = await child.hello(options) as Hello;
  if ("version" in hello) return { child, hello };
  await child.close();
  throw new PeerError(`${hello.missing}`);
}

function spawn(program: PeerProgram): PeerChild {
  const command = program.command();
  try {
    return new PeerChild(program.name, command);
  } catch (cause) {
    if (!(cause instanceof Deno.errors.NotFound)) throw cause;
    throw new PeerError(`${command.program} is not there or not on the PATH`, { cause });
  }
}

function isTimes(value: unknown): value is number[] {
  return Array.isArray(value) && value.length > 0 && value.every((ms) => ms >= 0);
}

function tooLarge(needed: number, allowed: number): string {
  return `it would need ${gigabytes(needed)} of memory: it may take ${gigabytes(allowed)}`;
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toFixed(1)} GB`;
}

/** A child process that answers requests line by line and is killed when it does not. */
import { lines } from "./lines.ts";
import { PeerError } from "./peer_error.ts";

const SHOWN_LINES = 4;
const SHOWN_CHARACTERS = 200;

/** How a child is started. */
export interface ChildCommand {
  /** Program: a path, or a name on the PATH. */
  readonly program: string;
  /** Its arguments. */
  readonly args: readonly string[];
  /**
   * Variables added to the environment.
   * @default {}
   */
  readonly env?: Readonly<Record<string, string>>;
}

/** Limits of an answer. */
export interface AskOptions {
  /** After this time the child is killed. */
  readonly timeoutMs: number;
  /** Kills the child when it aborts. */
  readonly signal?: AbortSignal | undefined;
}

/** A running child. After any failure it is dead and its process is gone. */
export class PeerChild {
  readonly #name: string;
  readonly #process: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #readers: readonly ReadableStreamDefaultReader<Uint8Array>[];
  readonly #lines: AsyncGenerator<string>;
  readonly #complaints: Promise<string[]>;

  /** Starts it. `name` is for messages. Throws `Deno.errors.NotFound` where there is no such program. */
  constructor(name: string, { program, args, env = {} }: ChildCommand) {
    const pipes = { stdin: "piped", stdout: "piped", stderr: "piped" } as const;
    this.#name = name;
    this.#process = new Deno.Command(program, { args: [...args], env: { ...env }, ...pipes })
      .spawn();
    this.#input = this.#process.stdin.getWriter();
    const [output, errors] = [this.#process.stdout.getReader(), this.#process.stderr.getReader()];
    this.#readers = [output, errors];
    this.#lines = lines(output);
    this.#complaints = lastLines(lines(errors));
  }

  /** Process number. */
  get pid(): number {
    return this.#process.pid;
  }

  /** The first line it says by itself. */
  async hello(options: AskOptions): Promise<object> {
    return await this.#guarded(() => this.#read(), options);
  }

  /** Its answer to a request. */
  async ask(request: unknown, options: AskOptions): Promise<object> {
    const line = new TextEncoder().encode(`${JSON.stringify(request)}\n`);
    return await this.#guarded(async () => {
      // A child that died is noticed by what it says last, not by its closed input.
      await this.#input.write(line).catch(() => {});
      return await this.#read();
    }, options);
  }

  /** Kills it and waits until it is gone. */
  async close(): Promise<void> {
    this.#kill();
    await this.#input.abort().catch(() => {});
    await Promise.all([this.#process.status, this.#complaints]);
  }

  async #guarded(
    work: () => Promise<object>,
    { timeoutMs, signal }: AskOptions,
  ): Promise<object> {
    signal?.throwIfAborted();
    const kill = () => this.#kill();
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      kill();
    }, timeoutMs);
    signal?.addEventListener("abort", kill);
    try {
      return await work();
    } catch (error) {
      await this.close();
      signal?.throwIfAborted();
      throw late ? new PeerError(this.#tookLonger(timeoutMs)) : error;
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", kill);
    }
  }

  async #read(): Promise<object> {
    const { value, done } = await this.#lines.next();
    if (done) throw new PeerError(await this.#ended());
    const answer = parsed(value);
    if (typeof answer === "object" && answer !== null) return answer;
    const start = value.slice(0, SHOWN_CHARACTERS);
    throw new PeerError(`Cannot read ${this.#name} as it answered no JSON object: ${start}`);
  }

  async #ended(): Promise<string> {
    const { code, signal } = await this.#process.status;
    const how = signal === null ? `with status ${code}` : `by ${signal}`;
    return [`${this.#name} ended ${how}`, ...await this.#complaints].join("\n");
  }

  #tookLonger(timeoutMs: number): string {
    return `Cannot measure ${this.#name} as it took longer than ${timeoutMs / 1000} s`;
  }

  #kill(): void {
    try {
      this.#process.kill("SIGKILL");
    } catch (error) {
      // It may have ended by itself.
      if (!(error instanceof TypeError || error instanceof Deno.errors.NotFound)) throw error;
    }
    // A process that it started may hold the other ends of the pipes.
    for (const reader of this.#readers) reader.cancel().catch(() => {});
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

async function lastLines(all: AsyncGenerator<string>): Promise<string[]> {
  const last: string[] = [];
  for await (const line of all) {
    last.push(line);
    if (last.length > SHOWN_LINES) last.shift();
  }
  return last;
}

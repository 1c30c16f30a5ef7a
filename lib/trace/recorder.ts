import { type ArrowRow, ArrowStream } from "./arrow_stream.ts";
import { filePath } from "./file_path.ts";
import { TRACE_TABLE_NAMES, TRACE_TABLES, type TraceRow, type TraceTable } from "./schema.ts";
import type { TraceError } from "./trace_error.ts";
import { asTraceError, checkTables, traceFile, traceMetadata, traceRows } from "./trace_files.ts";

/** Options of a trace that is to be written. */
export interface TraceOptions {
  /**
   * Tables to write; `run` is always one of them.
   * @default all of them
   */
  readonly tables?: readonly TraceTable[];
}

/** A trace that is being written. */
export interface TraceRecording {
  /** Directory of its files. */
  readonly dir: string;
  /** Tables that are written. */
  readonly tables: readonly TraceTable[];
  /** Whether rows are still taken: until it is closed, or cannot be written. */
  readonly recording: boolean;
  /**
   * Writes what waits: of a run that goes on, what came since its last batch.
   *
   * @throws {TraceError} when rows could not be written
   */
  flush(): Promise<void>;
  /**
   * Writes what waits and ends the recording; the session goes on without. Calling it twice is fine.
   *
   * @throws {TraceError} when rows could not be written
   */
  close(): Promise<void>;
  /** Same as {@link close}, but for an error that a run has told. */
  [Symbol.asyncDispose](): Promise<void>;
  /** Same as {@link close}, at once unless a run goes on; errors are left to the run to tell. */
  [Symbol.dispose](): void;
}

/** Rows are written when more come this long after the last batch. */
const FLUSH_MS = 250;

/** Rows that are written without waiting for that. */
const FLUSH_ROWS = 1024;

/** The row of a run that goes on. */
interface OpenRun {
  row: TraceRow<"run">;
  /** Whether the file holds another row of it, or none. */
  changed: boolean;
  /** Whether the file's last batch is this row. */
  written: boolean;
}

/**
 * Appends rows to the tables of a trace, batch by batch. What keeps rows from the files does not disturb who appends:
 * it is kept until {@link TraceRecorder.tell}, and no rows are taken after it.
 */
export class TraceRecorder implements TraceRecording {
  /** Directory of its files. */
  readonly dir: string;
  readonly #streams: ReadonlyMap<TraceTable, ArrowStream>;
  readonly #waiting = new Map<TraceTable, ArrowRow[]>();
  #waitingRows = 0;
  #run: OpenRun | null = null;
  #nextRun: number;
  #flushedAt = -Infinity;
  /** Batches that were begun and are not in the files, and the promise of the last of them. */
  #unwritten = 0;
  #written: Promise<void> = Promise.resolve();
  #failure: TraceError | null = null;
  #told = false;
  #closing: Promise<void> | null = null;

  private constructor(
    dir: string,
    streams: ReadonlyMap<TraceTable, ArrowStream>,
    nextRun: number,
  ) {
    this.dir = dir;
    this.#streams = streams;
    this.#nextRun = nextRun;
  }

  /**
   * Opens a directory for more rows, or makes it. In one that holds a trace the next run gets the next number.
   *
   * @throws {TraceError} when a file is none of a trace, of a later version, or being written already; none is touched
   * @throws {RangeError} for a table that does not exist
   */
  static async open(dir: string | URL, options: TraceOptions = {}): Promise<TraceRecorder> {
    const { tables = TRACE_TABLE_NAMES } = options;
    checkTables("write", tables);
    const folder = filePath(dir);
    const wanted = TRACE_TABLE_NAMES.filter((name) => name === "run" || tables.includes(name));
    try {
      await Deno.mkdir(folder, { recursive: true });
      const last = await lastRun(folder);
      const streams = await openStreams(folder, wanted);
      // Another recorder may have ended in between.
      const latest = Math.max(last, runOf(streams.get("run")!.earlier));
      return new TraceRecorder(folder, streams, latest + 1);
    } catch (error) {
      throw asTraceError(error);
    }
  }

  /** Tables that are written. */
  get tables(): readonly TraceTable[] {
    return [...this.#streams.keys()];
  }

  /** Whether rows are still taken. */
  get recording(): boolean {
    return this.#closing === null && this.#failure === null;
  }

  /** Begins a run and returns its number. Its row is in the file while it goes on, and changes when it ends. */
  startRun(row: Omit<TraceRow<"run">, "run">): number {
    const run = this.#nextRun++;
    this.#run = { row: { ...row, run }, changed: true, written: false };
    return run;
  }

  /** Changes the row of the run and writes what waits. Never throws. */
  async endRun(change: Partial<TraceRow<"run">>): Promise<void> {
    if (this.#run && this.recording) {
      this.#run.row = { ...this.#run.row, ...change };
      this.#run.changed = true;
      await this.#write();
    }
    this.#run = null;
  }

  /** Takes in the rows of a table; does not ask for them where it is not written. Never throws. */
  append<Table extends TraceTable>(table: Table, rows: () => readonly TraceRow<Table>[]): void {
    if (!this.recording || !this.#streams.has(table)) return;
    try {
      const [waiting, added] = [this.#waiting.get(table) ?? [], rows()];
      for (const row of added) waiting.push(row);
      this.#waiting.set(table, waiting);
      this.#waitingRows += added.length;
    } catch (error) {
      this.fail(error);
    }
  }

  /** Begins to write what waits if that is due; waits only for the batch before it. Never throws. */
  async settle(): Promise<void> {
    const due = this.#waitingRows >= FLUSH_ROWS || performance.now() - this.#flushedAt > FLUSH_MS;
    if (!due || !this.recording) return;
    const before = this.#written;
    void this.#write();
    await before;
  }

  /** Notes what keeps rows from the files. */
  fail(error: unknown): void {
    this.#failure ??= asTraceError(error);
    this.#take();
  }

  /** Throws what kept rows from the files, unless somebody was told before. */
  tell(): void {
    if (!this.#told) this.#throwFailure();
  }

  /** Writes what waits. */
  async flush(): Promise<void> {
    if (this.recording) await this.#write();
    this.#throwFailure();
  }

  /** Writes what waits and closes the files: synchronously where nothing waits, so that nobody has to await it then. */
  async close(): Promise<void> {
    await this.#end();
    this.#throwFailure();
  }

  /** Same as {@link close}, but for an error that somebody was told. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end();
    this.tell();
  }

  /** Same as {@link close}; who calls {@link tell} gets the error. */
  [Symbol.dispose](): void {
    void this.#end();
  }

  #end(): Promise<void> {
    return this.#closing ??= this.#writeAndClose();
  }

  async #writeAndClose(): Promise<void> {
    if (this.#unwritten > 0 || this.#waitingRows > 0 || this.#run?.changed) await this.#write();
    for (const stream of this.#streams.values()) stream.close();
  }

  #throwFailure(): void {
    if (!this.#failure) return;
    this.#told = true;
    throw this.#failure;
  }

  /** Writes what waits once the batches before it are written. Never throws. */
  #write(): Promise<void> {
    this.#flushedAt = performance.now();
    this.#unwritten++;
    return this.#written = this.#written.then(() => this.#drain());
  }

  async #drain(): Promise<void> {
    try {
      await this.#drainRun();
      await allOf(this.#take().map(([table, rows]) => this.#streams.get(table)!.append(rows)));
    } catch (error) {
      this.fail(error);
    }
    this.#unwritten--;
  }

  /** Comes before the rows of the run, so that no row is without a run. */
  async #drainRun(): Promise<void> {
    const run = this.#run;
    if (!run?.changed || this.#failure) return;
    run.changed = false;
    const stream = this.#streams.get("run")!;
    await (run.written ? stream.replaceLast([run.row]) : stream.append([run.row]));
    run.written = true;
  }

  #take(): [TraceTable, ArrowRow[]][] {
    const taken = [...this.#waiting];
    this.#waiting.clear();
    this.#waitingRows = 0;
    return taken;
  }
}

/** Waits for all of the work, whatever fails; then throws what failed first. */
async function allOf(work: readonly Promise<void>[]): Promise<void> {
  for (const done of await Promise.allSettled(work)) {
    if (done.status === "rejected") throw done.reason;
  }
}

/** Number of the last run in any of the tables, -1 without one. Refuses files that are none of a trace. */
async function lastRun(folder: string): Promise<number> {
  const last = await Promise.all(
    TRACE_TABLE_NAMES.map(async (table) => runOf(await traceRows(folder, table, "last") ?? [])),
  );
  return Math.max(...last);
}

/** Number of the last row's run, -1 without one. */
function runOf(rows: readonly ArrowRow[]): number {
  return Number(rows.at(-1)?.run ?? -1);
}

async function openStreams(
  folder: string,
  tables: readonly TraceTable[],
): Promise<Map<TraceTable, ArrowStream>> {
  const streams = new Map<TraceTable, ArrowStream>();
  try {
    for (const table of tables) streams.set(table, await openStream(folder, table));
    return streams;
  } catch (error) {
    for (const stream of streams.values()) stream.close();
    throw error;
  }
}

function openStream(folder: string, table: TraceTable): Promise<ArrowStream> {
  const options = { metadata: traceMetadata(table), rows: "last" } as const;
  return ArrowStream.open(traceFile(folder, table), TRACE_TABLES[table], options);
}

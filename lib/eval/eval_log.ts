import { type ArrowRow, ArrowStream } from "../trace/arrow_stream.ts";
import { EVAL_FIELDS, type EvalKey, type EvalRow, keyText } from "./eval_row.ts";

/** Rows wait in memory no longer than this. */
const FLUSH_MS = 2000;

/** The rows of earlier runs, and where new ones go: memory, or a file that a killed run can be resumed from. */
export class EvalLog {
  /** Bytes of a torn batch that were cut off the file. */
  readonly droppedBytes: number;
  readonly #rows = new Map<string, EvalRow>();
  readonly #file: ArrowStream | null;
  #waiting: EvalRow[] = [];
  #flushed = performance.now();

  private constructor(file: ArrowStream | null) {
    this.#file = file;
    this.droppedBytes = file?.droppedBytes ?? 0;
    for (const row of file?.earlier ?? []) this.#keep(row as unknown as EvalRow);
  }

  /** A log in memory. */
  static inMemory(): EvalLog {
    return new EvalLog(null);
  }

  /**
   * A log in an Arrow IPC stream file, with the rows that are there.
   *
   * @throws {TypeError} when the file is something else; it is not touched
   */
  static async open(path: string): Promise<EvalLog> {
    return new EvalLog(await ArrowStream.open(path, EVAL_FIELDS));
  }

  /** Number of rows. */
  get length(): number {
    return this.#rows.size;
  }

  /** The row with this key. */
  find(key: EvalKey): EvalRow | undefined {
    return this.#rows.get(keyText(key));
  }

  /** Takes a row in; it is in the file within two seconds of the next row, or at `flush` or `close`. */
  async append(row: EvalRow): Promise<void> {
    this.#keep(row);
    this.#waiting.push(row);
    if (performance.now() - this.#flushed > FLUSH_MS) await this.flush();
  }

  /** Writes what waits. */
  async flush(): Promise<void> {
    const rows = this.#waiting;
    this.#waiting = [];
    this.#flushed = performance.now();
    await this.#file?.append(rows as unknown as ArrowRow[]);
  }

  /** Writes what waits and closes the file. */
  async close(): Promise<void> {
    await this.flush();
    this.#file?.close();
  }

  #keep(row: EvalRow): void {
    this.#rows.set(keyText(row), row);
  }
}

/** How far a download is, and how fast. */

/** How far the download of a model is. */
export interface DownloadProgress {
  /** The file that is on its way. */
  readonly file: string;
  /** Bytes that are on the disk. */
  readonly done: number;
  /** Bytes of all files that were not there when the download began. */
  readonly total: number;
  /** Bytes that came in each of the last seconds. */
  readonly bytesPerSecond: number;
}

const REPORT_MS = 100;
const WINDOW_MS = 5000;

/** Counts bytes and reports them, at most ten times a second and at the end of each file. */
export class Meter {
  readonly #total: number;
  readonly #report: (progress: DownloadProgress) => void;
  readonly #samples: { readonly ms: number; readonly received: number }[] = [];
  #done = 0;
  #received = 0;
  #reported = -Infinity;

  /** Counts up to `total`. */
  constructor(total: number, report: (progress: DownloadProgress) => void) {
    this.#total = total;
    this.#report = report;
  }

  /** Bytes that were on the disk already; negative where they are thrown away. */
  found(file: string, bytes: number): void {
    this.#done += bytes;
    this.#tell(file, performance.now());
  }

  /** Bytes that came. */
  received(file: string, bytes: number): void {
    const ms = performance.now();
    this.#done += bytes;
    this.#received += bytes;
    if (ms - this.#reported >= REPORT_MS) this.#tell(file, ms);
  }

  /** The file is complete. */
  ended(file: string): void {
    this.#tell(file, performance.now());
  }

  #tell(file: string, ms: number): void {
    this.#reported = ms;
    const bytesPerSecond = this.#rate(ms);
    this.#report({ file, done: this.#done, total: this.#total, bytesPerSecond });
  }

  #rate(ms: number): number {
    this.#samples.push({ ms, received: this.#received });
    while (this.#samples[0]!.ms < ms - WINDOW_MS) this.#samples.shift();
    const first = this.#samples[0]!;
    return ms > first.ms ? 1000 * (this.#received - first.received) / (ms - first.ms) : 0;
  }
}

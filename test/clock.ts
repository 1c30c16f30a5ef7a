/** Time that passes when a test says so, so that it does not depend on how fast a machine is or what else it does. */

interface Timer {
  readonly due: number;
  readonly fire: () => void;
}

/** While it lives, `performance.now()` and the global `setTimeout()` follow it; nothing else does. */
export class Clock implements Disposable {
  readonly #real = { setTimeout: globalThis.setTimeout, clearTimeout: globalThis.clearTimeout };
  readonly #timers = new Map<number, Timer>();
  /** Whole, so that sums are exact. */
  #nowMs = Math.ceil(performance.now());
  #lastId = 0;

  /** Stops time. */
  constructor() {
    performance.now = () => this.#nowMs;
    Object.assign(globalThis, {
      setTimeout: (fire: () => void, ms = 0) => this.#start(fire, ms),
      clearTimeout: (id: number) => void this.#timers.delete(id),
    });
  }

  /** How many timers wait. */
  get waiting(): number {
    return this.#timers.size;
  }

  /** Lets `ms` milliseconds pass: fires the timers that are due then, one after another, and what they wake goes on. */
  async pass(ms: number): Promise<void> {
    const end = this.#nowMs + ms;
    for (let next = this.#next(end); next; next = this.#next(end)) {
      const [id, { due, fire }] = next;
      this.#timers.delete(id);
      this.#nowMs = Math.max(this.#nowMs, due);
      fire();
      await this.settle();
    }
    this.#nowMs = end;
  }

  /** Lets whoever can go on without time go on; what waits for files or servers may need it more than once. */
  async settle(): Promise<void> {
    await new Promise<void>((resolve) => this.#real.setTimeout(resolve));
  }

  /** Gives the real time back. */
  [Symbol.dispose](): void {
    Object.assign(globalThis, this.#real);
    Reflect.deleteProperty(performance, "now");
  }

  #start(fire: () => void, ms: number): number {
    this.#timers.set(++this.#lastId, { due: this.#nowMs + ms, fire });
    return this.#lastId;
  }

  /** The first of the timers that are due at `end`. */
  #next(end: number): [number, Timer] | undefined {
    const due = [...this.#timers].filter(([, timer]) => timer.due <= end);
    return due.sort(([, a], [, b]) => a.due - b.due)[0];
  }
}

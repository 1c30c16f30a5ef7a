import { BackendError } from "../../ffi/errors.ts";

/** Calls of an owner of native memory, one after the other, and its end: nothing is freed that a call reads. */
export class Turns {
  readonly #name: string;
  readonly #free: () => void;
  #last: Promise<void> = Promise.resolve();
  #waiting = 0;
  #closed = false;

  /** None yet; `free` is called once, when the owner called `name` is closed and no call is under way. */
  constructor(name: string, free: () => void) {
    this.#name = name;
    this.#free = free;
  }

  /** Does `work` when all calls before it have ended, however they ended. */
  async take<T>(action: string, work: () => Promise<T>): Promise<T> {
    this.#checkOpen(action);
    this.#waiting++;
    const turn = this.#last.then(() => {
      this.#checkOpen(action);
      return work();
    });
    const ended = () => this.#end();
    this.#last = turn.then(ended, ended);
    return await turn;
  }

  /** Throws `BackendError` where the owner is closed, or a call is under way. */
  checkIdle(action: string): void {
    this.#checkOpen(action);
    if (this.#waiting === 0) return;
    throw new BackendError(
      `Cannot ${action} as ${this.#name} is busy: calls under way are ${this.#waiting}`,
    );
  }

  /** Ends it: calls that have not begun are refused. Calling it twice is fine. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#waiting === 0) this.#free();
  }

  #checkOpen(action: string): void {
    if (this.#closed) throw new BackendError(`Cannot ${action} as ${this.#name} is closed`);
  }

  #end(): void {
    if (--this.#waiting === 0 && this.#closed) this.#free();
  }
}

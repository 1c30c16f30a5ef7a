import {
  type Backend,
  type Page,
  PAGE_TOKENS,
  type PageTable,
  type RunControl,
} from "./backend.ts";
import { CancelledError } from "./errors.ts";
import type { NativePageTable } from "./native_pages.ts";

/** Tokens that are copied before other things may happen. */
const TOKENS_AT_ONCE = 4096;

/** Keys of a KV head that a call reads. */
export interface KeysRead {
  /** The KV head. */
  readonly kvHead: number;
  /** First key. */
  readonly start: number;
  /** End of the keys, exclusive. */
  readonly end: number;
}

/**
 * A page table of a device in memory of the host, where the CPU reads it. What is copied goes through `readKv` and `append`, as
 * the two lay pages out differently; either is exact.
 */
export class HostTable {
  /** The table of the CPU's backend; the pages that were copied are entered. */
  readonly table: PageTable;
  readonly #device: Backend;
  readonly #host: Backend;
  readonly #source: NativePageTable;
  /** The same pages for each KV head alone, which is how they are written. */
  readonly #heads: readonly PageTable[];
  readonly #entered: (Page | undefined)[][];

  /** Copies pages of `source` from `device` to `host`. */
  constructor(device: Backend, host: Backend, source: NativePageTable) {
    const { kvHeads, spec } = source;
    this.#device = device;
    this.#host = host;
    this.#source = source;
    this.table = host.pageTable(kvHeads, spec);
    this.#heads = Array.from({ length: kvHeads }, () => host.pageTable(1, spec));
    this.#entered = Array.from({ length: kvHeads }, () => []);
  }

  /** Copies those of these keys, and their values, that were written since they were copied. */
  async copy(read: readonly KeysRead[], control?: RunControl): Promise<void> {
    const outdated = read.flatMap((keys) => this.#enter(keys));
    for (const [number, run] of outdated.entries()) {
      if (control?.cancelled) throw new CancelledError("Cannot copy keys as it was cancelled");
      if (number > 0) await new Promise((resolve) => setTimeout(resolve));
      await this.#copyRun(run);
    }
  }

  /** Enters the pages of keys. Those that must be copied, in runs of pages. */
  #enter({ kvHead, start, end }: KeysRead): KeysRead[] {
    const runs: { kvHead: number; start: number; end: number }[] = [];
    const last = Math.ceil(end / PAGE_TOKENS);
    for (let index = Math.floor(start / PAGE_TOKENS); index < last; index++) {
      const slots = this.#enterPage(kvHead, index);
      if (slots === PAGE_TOKENS) continue;
      const first = index * PAGE_TOKENS + slots, behind = (index + 1) * PAGE_TOKENS;
      const run = runs.at(-1);
      const joins = run?.end === first && behind - run.start <= TOKENS_AT_ONCE;
      if (joins) run.end = behind;
      else runs.push({ kvHead, start: first, end: behind });
    }
    return runs;
  }

  /** Slots of a page's copy that are as the page; all where there is no page, which the call refuses. */
  #enterPage(kvHead: number, index: number): number {
    const page = this.#source.page(kvHead, index);
    if (!page) return PAGE_TOKENS;
    page.copy ??= { page: this.#host.page(page.spec), slots: 0 };
    const { page: copy, slots } = page.copy;
    if (this.#entered[kvHead]![index] === copy) return slots;
    this.table.set(kvHead, index, copy);
    this.#heads[kvHead]!.set(0, index, copy);
    this.#entered[kvHead]![index] = copy;
    return slots;
  }

  async #copyRun({ kvHead, start, end }: KeysRead): Promise<void> {
    const count = end - start;
    const { k, v, positions } = this.#device.readKv(this.#source, kvHead, start, count);
    const [keys, values] = [k, v].map((rows) => {
      return this.#host.tensor([count, 1, this.table.spec.dim], "f32", rows);
    });
    try {
      await this.#host.append(this.#heads[kvHead]!, start, keys!, values!, positions);
    } finally {
      keys!.close();
      values!.close();
    }
    for (let token = start; token < end; token += PAGE_TOKENS) {
      const page = this.#source.page(kvHead, Math.floor(token / PAGE_TOKENS));
      if (page?.copy) page.copy.slots = PAGE_TOKENS;
    }
  }
}

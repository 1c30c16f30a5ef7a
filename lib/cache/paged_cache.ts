import {
  type Awaitable,
  type Backend,
  type KvView,
  type MemoryTier,
  type Page,
  PAGE_TOKENS,
  type PageSpec,
  type PageTable,
  type Tensor,
} from "../../ffi/backend.ts";
import { KV_BYTES } from "../../ffi/elements.ts";
import { BudgetError } from "../../ffi/errors.ts";

/** Shape of a cache: one entry per layer, KV head and token. */
export interface CacheShape extends PageSpec {
  /** Number of layers. */
  readonly layers: number;
  /** KV heads of a layer. */
  readonly kvHeads: number;
  /**
   * Where its pages lie.
   * @default "fast"
   */
  readonly tier?: MemoryTier;
}

/** A page and how many caches hold it. */
interface SharedPage {
  readonly page: Page;
  references: number;
}

/** Pages of one layer: `pages[kvHead][index]`. */
interface LayerPages {
  readonly table: PageTable;
  readonly pages: SharedPage[][];
}

/**
 * Keys and values of one session in pages of 256 tokens. Forks share pages; a page is copied when one of its
 * holders writes to it. Tokens become part of the cache when every layer has been appended and `commit` is called,
 * so an aborted chunk leaves nothing behind. (In int8 pages the scales that it needed stay: keys of the page it began in
 * may have been rounded once more.)
 */
export class PagedCache {
  readonly #backend: Backend;
  readonly #shape: CacheShape;
  readonly #layers: LayerPages[];
  #length = 0;
  #closed = false;

  /** An empty cache in the backend's memory. */
  constructor(backend: Backend, shape: CacheShape) {
    this.#backend = backend;
    this.#shape = shape;
    this.#layers = Array.from({ length: shape.layers }, () => this.#emptyLayer());
  }

  /** Tokens committed. */
  get length(): number {
    return this.#length;
  }

  /** Shape the cache was made with. */
  get shape(): CacheShape {
    return this.#shape;
  }

  /** Bytes of the pages this cache holds; pages shared with forks count in each of them. */
  get sizeBytes(): number {
    return bytesOfPages(this.#pages());
  }

  /** Bytes of those of its pages that lie in the slow tier. */
  get slowBytes(): number {
    return bytesOfPages(this.#pages().filter(({ tier }) => tier === "slow"));
  }

  /** Bytes that keys and values of `tokens` tokens take in all layers and KV heads, without page rounding, positions and scales. */
  bytesOf(tokens: number): number {
    const { layers, kvHeads, dim, dtype } = this.#shape;
    return tokens * layers * kvHeads * dim * 2 * KV_BYTES[dtype];
  }

  /** Throws `BudgetError` unless a context of `tokens` tokens takes at most `budgetBytes`. Allocates nothing. */
  checkFits(tokens: number, budgetBytes: number): void {
    const needed = this.bytesOf(Math.ceil(tokens / PAGE_TOKENS) * PAGE_TOKENS);
    if (needed <= budgetBytes) return;
    throw new BudgetError(
      `Cannot hold a context of ${tokens} tokens as its keys and values need ${needed} bytes and may ` +
        `take ${budgetBytes}: shorten the text or raise memoryBytes`,
    );
  }

  /**
   * Makes room for `tokens` more tokens in all layers; `append` may then write them.
   *
   * @throws {BudgetError} when memory runs out; the cache then holds no more than before
   */
  reserve(tokens: number): void {
    const pages = Math.ceil((this.#length + tokens) / PAGE_TOKENS);
    try {
      for (const layer of this.#layers) {
        for (let head = 0; head < this.#shape.kvHeads; head++) {
          this.#reserveHead(layer, head, pages);
        }
      }
    } catch (error) {
      this.truncate(this.#length);
      throw error;
    }
  }

  /** Writes k and v `[T, kvHeads, dim]` of one layer after the committed tokens. `reserve` comes first. */
  append(
    layer: number,
    k: Tensor,
    v: Tensor,
    positions: Float32Array,
  ): Awaitable<void> {
    return this.#backend.append(this.#layers[layer]!.table, this.#length, k, v, positions);
  }

  /** Makes `tokens` appended tokens part of the cache. */
  commit(tokens: number): void {
    this.#length += tokens;
  }

  /** Keys and values of a layer; `length` may include tokens that are appended but not committed. */
  view(layer: number, length: number = this.#length): KvView {
    return { table: this.#layers[layer]!.table, length };
  }

  /** Forgets all tokens from `length` on. */
  truncate(length: number): void {
    if (length > this.#length) {
      throw new RangeError(
        `Cannot truncate as length must be <= ${this.#length}: current value is ${length}`,
      );
    }
    this.#length = length;
    const pages = Math.ceil(length / PAGE_TOKENS);
    for (const layer of this.#layers) {
      for (const head of layer.pages) head.splice(pages).forEach(release);
    }
  }

  /** A cache with the same committed tokens that shares their pages. */
  fork(): PagedCache {
    const fork = new PagedCache(this.#backend, this.#shape);
    fork.#length = this.#length;
    const used = Math.ceil(this.#length / PAGE_TOKENS);
    this.#layers.forEach(({ pages }, l) => {
      const target = fork.#layers[l]!;
      pages.forEach((head, g) =>
        head.slice(0, used).forEach((shared) => enter(target, g, retain(shared)))
      );
    });
    return fork;
  }

  /** Releases all pages. Calling it twice is fine. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.truncate(0);
  }

  #pages(): Page[] {
    return this.#layers.flatMap(({ pages }) => pages.flat().map(({ page }) => page));
  }

  #emptyLayer(): LayerPages {
    const { kvHeads, dim, dtype } = this.#shape;
    return {
      table: this.#backend.pageTable(kvHeads, { dim, dtype }),
      pages: Array.from({ length: kvHeads }, () => []),
    };
  }

  #reserveHead(layer: LayerPages, head: number, count: number): void {
    const pages = layer.pages[head]!;
    const partial = Math.floor(this.#length / PAGE_TOKENS);
    const shared = pages[partial];
    if (shared && shared.references > 1) {
      const copy = this.#backend.copyPage(shared.page, this.#shape);
      release(shared);
      pages[partial] = { page: copy, references: 1 };
      layer.table.set(head, partial, copy);
    }
    while (pages.length < count) {
      const page = this.#backend.page(this.#shape, this.#shape.tier);
      enter(layer, head, { page, references: 1 });
    }
  }
}

function bytesOfPages(pages: readonly Page[]): number {
  return pages.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}

function enter(layer: LayerPages, head: number, shared: SharedPage): void {
  const pages = layer.pages[head]!;
  layer.table.set(head, pages.length, shared.page);
  pages.push(shared);
}

function retain(shared: SharedPage): SharedPage {
  shared.references++;
  return shared;
}

function release(shared: SharedPage): void {
  if (--shared.references === 0) shared.page.close();
}

import {
  type Awaitable,
  type Backend,
  type KvView,
  type MemoryTier,
  type Page,
  PAGE_TOKENS,
  type PageFile,
  type PageSpec,
  type PageTable,
  type PageTier,
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
   * Where its pages lie that lie in no file.
   * @default "fast"
   */
  readonly tier?: MemoryTier;
}

/** A page or a file, and how many caches hold it. */
interface Shared<T extends { close(): void }> {
  readonly held: T;
  references: number;
}

type SharedPage = Shared<Page>;

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
  #file: Shared<PageFile> | null;
  #length = 0;
  #closed = false;

  /** An empty cache in the backend's memory, or in `file`, which is closed with the last of its forks. */
  constructor(backend: Backend, shape: CacheShape, file: PageFile | null = null) {
    this.#backend = backend;
    this.#shape = shape;
    this.#file = file && { held: file, references: 1 };
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

  /** Bytes of the copies of its pages that indexes read. */
  get hostBytes(): number {
    return this.#pages().reduce((sum, { hostBytes }) => sum + hostBytes, 0);
  }

  /** Bytes of those of its pages that lie in `tier`. */
  bytesIn(tier: PageTier): number {
    return bytesOfPages(this.#pages().filter((page) => page.tier === tier));
  }

  /** Bytes that keys and values of `tokens` tokens take in all layers and KV heads, without page rounding, positions and scales. */
  bytesOf(tokens: number): number {
    const { layers, kvHeads, dim, dtype } = this.#shape;
    return tokens * layers * kvHeads * dim * 2 * KV_BYTES[dtype];
  }

  /**
   * Throws `BudgetError` unless a context of `tokens` tokens takes at most `budgetBytes` of memory, or what is left of the
   * file. Allocates nothing.
   */
  checkFits(tokens: number, budgetBytes: number): void {
    if (this.#file) return this.#checkRoom(tokens, this.#file.held);
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
    fork.#file = this.#file && retain(this.#file);
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
    if (this.#file) release(this.#file);
  }

  #pages(): Page[] {
    return this.#layers.flatMap(({ pages }) => pages.flat().map(({ held }) => held));
  }

  #checkRoom(tokens: number, { pageBytes, usedBytes, limitBytes }: PageFile): void {
    const count = Math.ceil(tokens / PAGE_TOKENS);
    const heads = this.#layers.flatMap(({ pages }) => pages);
    const missing = heads.map((pages) => Math.max(0, count - pages.length));
    const copies = heads.filter((pages) => this.#mustCopy(pages)).length;
    const neededBytes = (missing.reduce((sum, pages) => sum + pages, 0) + copies) * pageBytes;
    if (usedBytes + neededBytes <= limitBytes) return;
    throw new BudgetError(
      `Cannot hold a context of ${tokens} tokens as its keys and values need ${neededBytes} more bytes of their ` +
        `file, of which ${usedBytes} bytes are used and ${limitBytes} may be: shorten the text or raise fileBytes`,
    );
  }

  /** Number of the page that the next token goes into. */
  get #partial(): number {
    return Math.floor(this.#length / PAGE_TOKENS);
  }

  #mustCopy(pages: readonly SharedPage[]): boolean {
    return (pages[this.#partial]?.references ?? 0) > 1;
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
    if (this.#mustCopy(pages)) this.#copyPartial(layer, head);
    while (pages.length < count) enter(layer, head, { held: this.#newPage(), references: 1 });
  }

  #copyPartial(layer: LayerPages, head: number): void {
    const [pages, partial] = [layer.pages[head]!, this.#partial];
    const shared = pages[partial]!;
    const copy = this.#backend.copyPage(shared.held, this.#shape);
    release(shared);
    pages[partial] = { held: copy, references: 1 };
    layer.table.set(head, partial, copy);
  }

  #newPage(): Page {
    return this.#file?.held.page() ?? this.#backend.page(this.#shape, this.#shape.tier);
  }
}

function bytesOfPages(pages: readonly Page[]): number {
  return pages.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}

function enter(layer: LayerPages, head: number, shared: SharedPage): void {
  const pages = layer.pages[head]!;
  layer.table.set(head, pages.length, shared.held);
  pages.push(shared);
}

function retain<T extends { close(): void }>(shared: Shared<T>): Shared<T> {
  shared.references++;
  return shared;
}

function release(shared: Shared<{ close(): void }>): void {
  if (--shared.references === 0) shared.held.close();
}

/** Pages and page tables of the reference backend. */
import type { KvHead, KvPage } from "../kernels/reference/pages.ts";
import { type Page, PAGE_TOKENS, type PageSpec, type PageTable } from "./backend.ts";
import { checkTableSet } from "./check_memory.ts";
import { KV_BYTES } from "./elements.ts";
import { ShapeError } from "./errors.ts";
import type { Account } from "./reference_tensor.ts";

/** Keys, values and positions of one page as f32; bf16 and int8 are kept rounded. */
export class ReferencePage implements Page {
  readonly sizeBytes: number;
  readonly tier = "fast";
  readonly hostBytes = 0;
  readonly data: KvPage;
  closed = false;

  constructor(readonly spec: PageSpec, readonly account: Account) {
    const size = PAGE_TOKENS * spec.dim;
    const scaleBytes = spec.dtype === "int8" ? PAGE_TOKENS + spec.dim : 0;
    this.sizeBytes = 2 * size * KV_BYTES[spec.dtype] + 4 * PAGE_TOKENS + scaleBytes;
    this.data = {
      k: new Float32Array(size),
      v: new Float32Array(size),
      positions: new Float32Array(PAGE_TOKENS),
      keyScales: new Float32Array(spec.dim),
    };
    account.bytes += this.sizeBytes;
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.account.bytes -= this.sizeBytes;
  }
}

/** Pages by KV head and number. */
export class ReferenceTable implements PageTable {
  readonly backend = "reference";
  readonly #pages: ReferencePage[][];

  constructor(readonly kvHeads: number, readonly spec: PageSpec) {
    this.#pages = Array.from({ length: kvHeads }, () => []);
  }

  set(kvHead: number, index: number, page: Page): void {
    const { spec } = ownPage(page);
    checkTableSet(this.kvHeads, this.spec, kvHead, index, page, spec);
    this.#pages[kvHead]![index] = ownPage(page);
  }

  holds(kvHead: number, index: number): boolean {
    return this.#pages[kvHead]?.[index]?.closed === false;
  }

  heads(): KvHead[] {
    const { dim } = this.spec;
    return this.#pages.map((pages) => ({ dim, pages: pages.map((page) => page.data) }));
  }
}

/** A page of this backend, or `ShapeError`. */
export function ownPage(page: Page): ReferencePage {
  if (page instanceof ReferencePage) return page;
  throw new ShapeError("Cannot use page as it must be a page of backend reference");
}

/** The index of 4-bit keys: every key is scored in a quarter of the bytes, the best are scored exactly. */
import type { Backend, KvView, RunControl } from "../../ffi/backend.ts";
import { FLAT4_KEYS, flat4RecordBytes } from "../../ffi/index_operations.ts";
import { askingRows, topKeysOf } from "./asking_rows.ts";
import { damaged, savedArray } from "./check_saved.ts";
import { regrown, roomFor } from "./growing.ts";
import { emptyPlace, GrowingIndex, type IndexPlace, savedPlace } from "./growing_index.ts";
import type { Filled } from "./index_options.ts";
import type { IndexAnswer, IndexQuery, IndexSource, KvIndex, SavedIndex } from "./kv_index.ts";

/** How records are laid out; those of another layout are not read. */
const LAYOUT = 2;

/** Builds the index. */
export function buildFlat4(
  backend: Backend,
  options: Filled<"flat4">,
  source: IndexSource,
  control?: RunControl,
): Promise<KvIndex> {
  const index = new Flat4Index(backend, options, emptyPlace(source), new Uint8Array());
  return index.build(source.kv, source.end, control);
}

/** The index that was saved. */
export function loadFlat4(
  backend: Backend,
  options: Filled<"flat4">,
  saved: SavedIndex,
  { table: { kvHeads, spec: { dim } } }: KvView,
): KvIndex {
  const records = Math.ceil((saved.end - saved.start) / FLAT4_KEYS);
  const fits = (length: number) =>
    length % kvHeads === 0 && length / kvHeads >= records * flat4RecordBytes(dim);
  if (saved.counts.layout !== LAYOUT) {
    throw damaged(`the layout of records must be ${LAYOUT}`, saved.counts.layout);
  }
  const bytes = savedArray(saved, "records", Uint8Array<ArrayBuffer>, fits);
  return new Flat4Index(backend, options, savedPlace(saved), bytes);
}

class Flat4Index extends GrowingIndex<Filled<"flat4">> {
  readonly #backend: Backend;
  #records: Uint8Array<ArrayBuffer>;

  constructor(
    backend: Backend,
    options: Filled<"flat4">,
    place: IndexPlace,
    records: Uint8Array<ArrayBuffer>,
  ) {
    super(options, place);
    this.#backend = backend;
    this.#records = records;
  }

  protected get arrays() {
    return { records: this.#records };
  }

  protected override get counts() {
    return { layout: LAYOUT };
  }

  async search(query: IndexQuery, control?: RunControl): Promise<IndexAnswer> {
    const { kv, topK: k, scale, wantsMass: wantsLse } = query;
    const { start } = this;
    const nodes = this.nodesBefore(query.end);
    const candidates = Math.max(k, Math.ceil(k * this.options.candidates));
    const options = { candidates, k, scale, wantsLse };
    const records = this.#recordsOf(kv);
    const found = await this.#backend.indexes
      .searchFlat4(askingRows(query), { kv, start, nodes }, records, options, control);
    const mass = found.lse && { lse: found.lse, kind: "estimate" as const };
    return { found: topKeysOf(found), scanned: found.scanned, mass };
  }

  protected async extend(kv: KvView, end: number, control?: RunControl): Promise<void> {
    const { kvHeads, spec: { dim } } = kv.table;
    const keys = { kv, start: this.start, nodes: end - this.start };
    const needed = Math.ceil(keys.nodes / FLAT4_KEYS) * flat4RecordBytes(dim);
    if (this.isShared || this.#records.length < kvHeads * needed) {
      const room = roomFor(needed, flat4RecordBytes(dim));
      this.#records = regrown(this.#records, kvHeads, room);
      this.isShared = false;
    }
    // The last record is written anew: its levels depend on all of its keys.
    const first = Math.floor(this.nodes / FLAT4_KEYS) * FLAT4_KEYS;
    for (let head = 0; head < kvHeads; head++) {
      await this.#backend.indexes.encodeFlat4(keys, head, first, this.#recordsOf(kv), control);
    }
  }

  protected copy(place: IndexPlace): Flat4Index {
    return new Flat4Index(this.#backend, this.options, place, this.#records);
  }

  close(): void {
    this.#records = new Uint8Array();
  }

  #recordsOf({ table }: KvView) {
    return { bytes: this.#records, headBytes: this.#records.length / table.kvHeads };
  }
}

/** Checks of the arguments of what makes and fills tensors, file tensors, pages and page tables. */
import {
  type BackendName,
  type MemoryTier,
  type Page,
  PAGE_TOKENS,
  type PageSpec,
  type WeightDType,
} from "./backend.ts";
import {
  type Action,
  rangeError,
  requireEachInside,
  requireInside,
  requireLength,
  shapeError,
  shapeText,
} from "./check_core.ts";
import { blockElements, bytesOf, countOf, isBlocks, KV_BYTES } from "./elements.ts";
import { BackendError } from "./errors.ts";

/**
 * Checks the shape of a new tensor and returns its number of elements.
 *
 * @throws {ShapeError} when a dimension is no positive integer, rows are no whole blocks, or `data` has another length
 */
export function checkTensorShape(
  shape: readonly number[],
  dtype: WeightDType,
  data?: Float32Array,
): number {
  const call = { action: "make a tensor" };
  const count = countOf(shape);
  const whole = shape.every((size) => Number.isSafeInteger(size) && size > 0);
  if (!whole || !Number.isSafeInteger(count * 4)) {
    throw shapeError(call, "shape must hold positive integers", shapeText(shape));
  }
  const block = blockElements(dtype);
  if ((shape.at(-1) ?? 1) % block !== 0) {
    throw shapeError(call, `rows of ${dtype} must be whole blocks of ${block}`, shapeText(shape));
  }
  if (data) requireLength(call, "data", data, count);
  return count;
}

/** Checks the arguments of `Tensor.rows`: at least one row, all inside the tensor (`RangeError`). */
export function checkRows(shape: readonly number[], start: number, count: number): void {
  const call = { action: "take rows" };
  if (shape.length === 0) throw shapeError(call, "the tensor must have a dimension", "[]");
  const rows = shape[0] ?? 0;
  requireInside(call, "start", start, 0, rows - 1);
  requireInside(call, "count", count, 1, rows - start);
}

/** Checks the arguments of `Tensor.write`: as many numbers as the tensor has (`ShapeError`). */
export function checkWrite(count: number, data: Float32Array): void {
  requireLength({ action: "write a tensor" }, "data", data, count);
}

/**
 * Checks the arguments of `WeightFile.tensor` and returns the number of bytes to read.
 *
 * @throws {ShapeError} when the shape is no list of positive integers, or rows are no whole blocks of either type
 * @throws {RangeError} when the tensor does not lie inside the file, `as` cannot be made of `stored`, or `order` is not one of its rows
 */
export function checkFileTensor(
  fileBytes: number,
  offset: number,
  stored: WeightDType,
  shape: readonly number[],
  as: WeightDType,
  order?: Int32Array,
): number {
  const call = { action: "read a tensor of a file" };
  checkTensorShape(shape, as);
  const bytes = bytesOf(stored, checkTensorShape(shape, stored));
  const single = as === "f32" || as === "bf16";
  if (as !== stored && !single && (isBlocks(stored) || (as !== "q8_0" && as !== "q4_1"))) {
    throw rangeError(call, `${stored} can become f32 or bf16, and no blocks q8_0 or q4_1`, as);
  }
  if (order !== undefined) {
    requireLength(call, "order", order, shape[0]!);
    requireEachInside(call, "order", order, shape[0]!);
  }
  if (bytes > fileBytes) {
    throw rangeError(
      call,
      `shape ${shapeText(shape)} must fit the file of ${fileBytes} bytes`,
      bytes,
    );
  }
  requireInside(call, "offset", offset, 0, fileBytes - bytes);
  return bytes;
}

/** Checks the spec of a new page or page table: `dim` is a positive integer (`ShapeError`), and `tier` one (`RangeError`). */
export function checkPageSpec(spec: PageSpec, tier: MemoryTier = "fast"): void {
  const call = { action: "make a page" };
  if (tier !== "fast" && tier !== "slow") throw rangeError(call, "tier must be fast or slow", tier);
  if (!Number.isSafeInteger(spec.dim) || spec.dim < 1) {
    throw shapeError(call, "spec.dim must be a positive integer", spec.dim);
  }
  if (!(spec.dtype in KV_BYTES)) {
    throw shapeError(call, "spec.dtype must be f32, bf16 or int8", spec.dtype);
  }
}

/** Checks the arguments of `Backend.pageFile`: a possible spec, and a limit that is a number >= 0 (`RangeError`). */
export function checkPageFile(spec: PageSpec, limitBytes: number = Infinity): void {
  checkPageSpec(spec);
  if (limitBytes >= 0) return;
  throw rangeError({ action: "make a file of pages" }, "limitBytes must be >= 0", limitBytes);
}

/** The error of a backend that has no files of pages. */
export function noPageFile(backend: BackendName): BackendError {
  return new BackendError(
    `Cannot keep keys and values in a file as the backend must be cpu: current value is ${backend}`,
  );
}

/** Checks the arguments of `Backend.pageTable`: at least one KV head (`ShapeError`) and a possible spec. */
export function checkPageTable(kvHeads: number, spec: PageSpec): void {
  if (!Number.isSafeInteger(kvHeads) || kvHeads < 1) {
    throw shapeError(
      { action: "make a page table" },
      "kvHeads must be a positive integer",
      kvHeads,
    );
  }
  checkPageSpec(spec);
}

/** Checks the arguments of `Backend.copyPage`: the page is open and of the spec. */
export function checkPageCopy(spec: PageSpec, page: Page, pageSpec: PageSpec): void {
  requirePageFits({ action: "copy a page" }, spec, page, pageSpec);
}

/** Checks the arguments of `PageTable.set`: the head exists, the index is a number of a page, the page fits the spec. */
export function checkTableSet(
  kvHeads: number,
  spec: PageSpec,
  kvHead: number,
  index: number,
  page: Page,
  pageSpec: PageSpec,
): void {
  const call = { action: "enter a page" };
  requireInside(call, "kvHead", kvHead, 0, kvHeads - 1);
  requireInside(call, "index", index, 0, 2 ** 31 / PAGE_TOKENS - 1);
  requirePageFits(call, spec, page, pageSpec);
}

function requirePageFits(call: Action, spec: PageSpec, page: Page, pageSpec: PageSpec): void {
  if (page.closed) throw shapeError(call, "page must be open", "a closed page");
  if (pageSpec.dim !== spec.dim || pageSpec.dtype !== spec.dtype) {
    const expected = `page must be of ${spec.dtype} and dimension ${spec.dim}`;
    throw shapeError(call, expected, `${pageSpec.dtype} and ${pageSpec.dim}`);
  }
}

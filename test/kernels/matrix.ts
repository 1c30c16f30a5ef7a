import type { Tensor, WeightDType } from "../../ffi/backend.ts";
import type { Random } from "../random.ts";
import type { Scope } from "./scope.ts";

/** A random matrix whose products with normal vectors are of size 1. */
export function matrix(
  scope: Scope,
  random: Random,
  rows: number,
  columns: number,
  dtype: WeightDType = "f32",
): Tensor {
  const data = random.normals(rows * columns, 1 / Math.sqrt(columns));
  return scope.tensor([rows, columns], data, dtype);
}

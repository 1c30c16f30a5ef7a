/** A tensor as a result to compare. */
import type { Tensor } from "../../ffi/backend.ts";
import type { Outcome } from "./tolerance.ts";

/** The elements of a tensor, by its first dimension. */
export function outcome(name: string, tensor: Tensor): Outcome {
  const rows = tensor.shape[0]!;
  return { name, values: tensor.read(), width: tensor.shape.reduce((a, b) => a * b, 1) / rows };
}

/** All cases, family by family. */
import type { BenchCase } from "./bench_case.ts";
import { denseDecode, sparseDecode } from "./kernels/decode.ts";
import { estimates } from "./kernels/estimates.ts";
import { indexBuilds } from "./kernels/index_build.ts";
import { indexSearches } from "./kernels/indexes.ts";
import { linearLayers } from "./kernels/linear.ts";
import { densePrefill, sparsePrefill } from "./kernels/prefill.ts";
import { retrievalSteps } from "./kernels/retrieval_step.ts";
import type { Sizes } from "./sizes.ts";

/** One entry for each family of kernels: add yours here. */
const FAMILIES: readonly ((sizes: Sizes) => BenchCase[])[] = [
  densePrefill,
  sparsePrefill,
  denseDecode,
  sparseDecode,
  estimates,
  indexSearches,
  retrievalSteps,
  indexBuilds,
  linearLayers,
];

/** The cases of all families. */
export function casesOf(sizes: Sizes): BenchCase[] {
  return FAMILIES.flatMap((family) => family(sizes));
}

/** The cases in whose kernel and shape every word of `text` occurs. */
export function filtered(cases: readonly BenchCase[], text: string): BenchCase[] {
  return matching(cases, text, nameOf);
}

/** What every word of `text` occurs in the name of. */
export function matching<Named>(
  all: readonly Named[],
  text: string,
  nameOf: (one: Named) => string,
): Named[] {
  const words = text.toLowerCase().split(/\s+/).filter((word) => word !== "");
  return all.filter((one) => {
    const name = nameOf(one).toLowerCase();
    return words.every((word) => name.includes(word));
  });
}

/** Kernel and shape: what tells a case from all others. */
export function nameOf({ kernel, shape }: Pick<BenchCase, "kernel" | "shape">): string {
  return `${kernel} ${shape}`;
}

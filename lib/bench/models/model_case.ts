/** What is measured of whole models: reading a text of so many tokens, and generating behind it. */
import { matching } from "../cases.ts";
import { tokensText } from "../bench_case.ts";

/** Tokens of the texts. */
export const DEPTHS: readonly number[] = [512, 2048, 8192, 32768];

/** Tokens that are generated behind each. */
export const GENERATED = 32;

/** A GGUF file. */
export interface ModelFile {
  /** Its name: that of the (first) file, without what GGUF files end in. */
  readonly name: string;
  /** Its path. */
  readonly path: string;
  /** Type of its weights as the file says it; null where it does not. */
  readonly weights: string | null;
  /** Tokens it was made for; null where it does not say. */
  readonly contextLength: number | null;
  /** Bytes of the matrices that every token is multiplied with, as they are stored. */
  readonly matrixBytes: number;
}

/** A text of so many tokens for a model. */
export interface ModelCase {
  /** The model. */
  readonly model: ModelFile;
  /** Tokens of the text. */
  readonly tokens: number;
}

/** Every model with every depth, model by model, the shortest text first. */
export function modelCases(
  models: readonly ModelFile[],
  depths: readonly number[] = DEPTHS,
): ModelCase[] {
  const sorted = depths.toSorted((a, b) => a - b);
  return models.flatMap((model) => sorted.map((tokens) => ({ model, tokens })));
}

/** The cases in whose name every word of `text` occurs. */
export function filteredModels(cases: readonly ModelCase[], text: string): ModelCase[] {
  return matching(cases, text, modelCaseName);
}

/** What tells a case from all others. */
export function modelCaseName({ model, tokens }: ModelCase): string {
  return `${model.name} n=${tokensText(tokens)}`;
}

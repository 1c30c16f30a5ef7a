import { type IndexOptions, indexOptions } from "../retrieval/index_options.ts";
import { option } from "./option_values.ts";

/**
 * Indexes of a list such as `graph,graph:width=400,flat4`.
 *
 * @throws {RangeError} for a kind, an option or a value that does not exist
 */
export function indexList(text: string): IndexOptions[] {
  return text.split(",").map((part) => {
    const [kind = "", ...pairs] = part.trim().split(":");
    const given = { kind, ...Object.fromEntries(pairs.map(option)) } as IndexOptions;
    return indexOptions("try an index", given);
  });
}

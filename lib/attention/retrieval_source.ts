/** What a head file says of the search that found its modes of retrieval. */
import { refusal } from "../../ffi/refusal.ts";
import type { HeadFile } from "./head_file.ts";

/** How a source of modes is called. */
export const RETRIEVAL_SEARCH = "retrieval search";

const NAMES = ["sink", "window", "topK"] as const;

/** Settings that modes were found with, as far as a file tells them. */
export type RetrievalSettings = { readonly [Name in typeof NAMES[number]]?: number };

/** The settings that the modes of a file were found with; none of a file that tells none. */
export function settingsFound({ obtained }: Pick<HeadFile, "obtained">): RetrievalSettings {
  const settings = obtained.find(({ by }) => by === RETRIEVAL_SEARCH)?.settings ?? {};
  return Object.fromEntries(
    NAMES.map((name) => [name, settings[name]]).filter(([, value]) => typeof value === "number"),
  );
}

/**
 * The options of a method with the settings of its file.
 *
 * @throws {RangeError} when an option is another than the modes were found with
 */
export function withSettings<Options extends RetrievalSettings>(
  action: string,
  options: Options,
  found: RetrievalSettings,
): Options {
  const both = { ...options, ...found };
  const other = NAMES.find((name) => (options[name] ?? both[name]) !== both[name]);
  if (other === undefined) return both;
  throw refusal(
    RangeError,
    action,
    `${other} must be ${found[other]}, with which the modes of its head file were found`,
    options[other],
  );
}

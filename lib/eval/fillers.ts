/** Texts to hide facts in. */
import { createHash } from "node:crypto";
import { haystack, haystackFromText } from "./haystack.ts";
import type { Filler } from "./task.ts";

/** Our own sentence grammar. */
export const grammarFiller: Filler = { name: "grammar", hide: haystack };

/** A text of the user; every case begins at another sentence of it. */
export function textFiller(text: string): Filler {
  const hash = createHash("sha256").update(text).digest("hex").slice(0, 12);
  return { name: `text ${hash}`, hide: (options) => haystackFromText(text, options) };
}

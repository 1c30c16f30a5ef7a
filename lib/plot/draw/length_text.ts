import { grouped } from "./number_text.ts";

/** A length in tokens, in units of 1,024 where it is whole ones: `4K`; else `3,000`. */
export function lengthText(tokens: number): string {
  return tokens % 1024 === 0 ? `${grouped(tokens / 1024)}K` : grouped(tokens);
}

/** Widths of text in a terminal and in fonts of one width. */

/** Characters that take two columns: East Asian wide ones and emoji. */
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}/u;
/** Characters that stand on the one before, and isolates. */
const MARK = /\p{Mn}|\p{Me}|[\u2066-\u2069]/u;

/** Columns that a character takes. */
export function columnsOf(character: string): number {
  if (MARK.test(character)) return 0;
  return WIDE.test(character) ? 2 : 1;
}

/** Columns that a text takes. */
export function textColumns(text: string): number {
  let columns = 0;
  for (const character of text) columns += columnsOf(character);
  return columns;
}

/** A text cut to `most` columns, with an ellipsis where something is missing. */
export function clipColumns(text: string, most: number): string {
  if (textColumns(text) <= most) return text;
  let [clipped, columns] = ["", 1];
  for (const character of text) {
    columns += columnsOf(character);
    if (columns > most) break;
    clipped += character;
  }
  return `${clipped}\u2026`;
}

/** The last `most` columns of a text, with an ellipsis where something is missing. */
export function lastColumns(text: string, most: number): string {
  const turned = (text: string) => [...text].reverse().join("");
  return turned(clipColumns(turned(text), most));
}

import { chatTemplate } from "../../lib/model/chat_template.ts";
import type { Tokenizer } from "../../lib/model/types.ts";

/** A tokenizer of the tests: words, line breaks and marks, each one token; ids are given as they come. */
export function wordsTokenizer(): Tokenizer {
  const tokens: string[] = [];
  const ids = new Map<string, number>();
  const idOf = (token: string) => {
    if (!ids.has(token)) ids.set(token, tokens.push(token) - 1);
    return ids.get(token) as number;
  };
  const decode = (list: ArrayLike<number>) => Array.from(list, (id) => tokens[id]).join("");
  const encode = (text: string) =>
    Int32Array.from(text.match(/ ?[A-Za-z']+|\d| ?[^\sA-Za-z\d]|\s/g) ?? [], idOf);
  const chatTokens = { named: {}, added: [], control: null, encode, encodePlain: encode };
  return {
    get vocabSize() {
      return tokens.length;
    },
    bosId: null,
    chatTemplate: chatTemplate(new Map(), chatTokens),
    encode,
    decode,
    token: (id) => tokens[id] ?? "",
    piece: (id) => tokens[id] ?? "",
    stream: () => ({ push: (id) => decode([id]), flush: () => "" }),
  };
}

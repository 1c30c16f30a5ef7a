/** Answerers without a model, and what they were asked. */
import type { Method } from "../../lib/attention/method.ts";
import { throwIfAborted } from "../../lib/engine/run.ts";
import type { Answerer, Reading } from "../../lib/eval/answerer.ts";
import type { Question } from "../../lib/eval/question.ts";
import { wordsTokenizer } from "./words_tokenizer.ts";

/** What a script sees. */
export interface Asked {
  readonly context: string;
  readonly question: Question;
  readonly method: Method;
}

/** An answerer that counts what it does. */
export interface Scripted extends Answerer {
  /** Texts read, with the method that read them. */
  readonly reads: { readonly context: string; readonly method: string }[];
  /** Questions asked, with the method. */
  readonly asks: { readonly question: string; readonly method: string }[];
  /** Readings that are open. */
  readonly open: Set<Reading>;
}

/** Answers with what `reply` says. */
export function scripted(reply: (asked: Asked) => string, name = "scripted"): Scripted {
  const { encode } = wordsTokenizer();
  const reads: Scripted["reads"] = [], asks: Scripted["asks"] = [];
  const open = new Set<Reading>();
  const reading = (context: string, method: Method): Reading => {
    const made: Reading = {
      tokens: encode(context).length,
      ask: (question, { signal } = {}) => {
        throwIfAborted(signal);
        asks.push({ question: question.text, method: method.name });
        const text = reply({ context, question, method });
        return Promise.resolve({
          text,
          tokens: 4,
          msPerToken: 2,
          scanned: method.name === "retrieval" ? 50 : 0,
          attended: method.name === "dense" ? 100 : 10,
          keys: 100,
          residentBytes: method.name === "dense" ? 1000 : 100,
        });
      },
      fork: (method) => reading(context, method),
      close: () => void open.delete(made),
    };
    open.add(made);
    return made;
  };
  return {
    name,
    reads,
    asks,
    open,
    read: (context, method) => {
      reads.push({ context, method: method.name });
      return Promise.resolve(reading(context, method));
    },
  };
}

/** Knows the answer, but only if the text holds it. */
export function oracle({ context, question }: Asked): string {
  return question.values!.filter((value) => context.includes(value)).join(" and ");
}

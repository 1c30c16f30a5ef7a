/**
 * `@huggingface/tokenizers` with a vocabulary that is ready: reading a large one by itself, the library keeps everything
 * else waiting for seconds.
 */
import type { BPE, Tokenizer } from "@huggingface/tokenizers";
import { TokenizerError } from "../../ffi/errors.ts";
import type { TokenizerFile } from "./tokenizer_file.ts";

type Library = typeof import("@huggingface/tokenizers");

/** What encodes texts as `file` says, with its added tokens or without. */
export function openEncoder(library: Library, file: TokenizerFile, added: boolean): Tokenizer {
  const { model, added_tokens, ...steps } = file.encoder;
  const encoder = new library.Tokenizer({
    ...steps,
    model: { ...model, vocab: {}, merges: [] },
    added_tokens: added ? added_tokens : [],
    post_processor: null,
    decoder: null,
  }, {});
  setVocabulary(modelOf(encoder, library), file, added);
  return encoder;
}

function modelOf({ model }: Tokenizer, { BPE }: Library): BPE {
  const known = model instanceof BPE && model.tokens_to_ids instanceof Map &&
    model.bpe_ranks instanceof Map;
  if (known) return model;
  throw new TokenizerError("Cannot open @huggingface/tokenizers as its model BPE has other fields");
}

function setVocabulary(model: BPE, file: TokenizerFile, added: boolean): void {
  const { ids, ranks } = file.vocabulary;
  const unknown = ids.get(model.unk_token!);
  if (unknown !== undefined) model.unk_token_id = unknown;
  model.tokens_to_ids = added ? withAdded(ids, file) : ids;
  model.bpe_ranks = ranks;
}

/** Vocabularies of most files have their added tokens. */
function withAdded(ids: Map<string, number>, { added }: TokenizerFile): Map<string, number> {
  if (added.every(({ id, content }) => ids.get(content) === id)) return ids;
  const all = new Map(ids);
  for (const { id, content } of added) all.set(content, id);
  return all;
}

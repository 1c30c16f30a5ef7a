/**
 * What a program that runs whole models is asked, a JSON object on a line, and what it answers. Ids that it reads are those
 * that ours chose, so that both do the same work; it tells what it would have chosen itself.
 */

/** What a child is asked for. */
export type ModelRequest =
  | { readonly open: OpenRequest }
  | { readonly read: ReadRequest }
  | { readonly decode: DecodeRequest };

/** Load a model, in place of the one before. */
export interface OpenRequest {
  /** Its GGUF file. */
  readonly path: string;
  /** Threads it may use. */
  readonly threads: number;
  /** Tokens that it must hold. */
  readonly contextTokens: number;
  /** Tokens that pass through the model together. */
  readonly batchTokens: number;
}

/** Pass a text through the model, to the logits of its last token. What was read before is forgotten. */
export interface ReadRequest {
  /** The text. */
  readonly ids: readonly number[];
  /** What ours chose to follow. */
  readonly chosen: number;
}

/** Pass ids through the model one by one, behind the first tokens of what was read; later ones are forgotten. */
export interface DecodeRequest {
  /** How many tokens stay. */
  readonly after: number;
  /** The ids, and the one that ours chose to follow them. */
  readonly ids: readonly number[];
}

/** Answer of a child: how long it took. */
export interface ModelReply {
  /** Milliseconds in all. */
  readonly ms?: number;
  /** By how much the likeliest token's logit is above that of ours, for each choice: 0 where it is the same token. */
  readonly gaps?: readonly number[];
  /** Why it failed. */
  readonly error?: string;
}

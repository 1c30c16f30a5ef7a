/** What sessions do unless they are told otherwise, and with them what measures or prepares them. */

/**
 * Tokens that pass through the model together in a prefill. Fewer make products of weights slower and estimates of sparse methods,
 * which each chunk makes anew, a larger part.
 */
export const CHUNK_TOKENS = 2048;

/** Queries of each head that a prefill keeps for a method whose index is built by them. */
export const QUERY_SAMPLES = 4096;

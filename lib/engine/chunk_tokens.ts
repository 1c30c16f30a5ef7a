/**
 * Tokens that pass through the model together in a prefill, unless a session is told otherwise. Fewer make products of weights
 * slower and estimates of sparse methods, which each chunk makes anew, a larger part.
 */
export const CHUNK_TOKENS = 2048;

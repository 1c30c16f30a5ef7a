/** `[tokens, heads, dim]` as `[heads, tokens, dim]`. */
export function headsFirst(
  values: Float32Array,
  heads: number,
  dim: number,
): Float32Array<ArrayBuffer> {
  const tokens = values.length / (heads * dim);
  const result = new Float32Array(values.length);
  for (let token = 0; token < tokens; token++) {
    for (let head = 0; head < heads; head++) {
      const from = (token * heads + head) * dim;
      result.set(values.subarray(from, from + dim), (head * tokens + token) * dim);
    }
  }
  return result;
}

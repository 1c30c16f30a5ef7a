/**
 * Rows of query and key matrices in files whose rotary embedding turns pairs of neighbouring dimensions. Here it turns
 * dimension `i` with `i + dim / 2`, so these must come together from rows `2 i` and `2 i + 1` of the head. Rows move as a
 * whole, also those of quantised matrices.
 */

/** The stored row that belongs in row `row` of a matrix whose heads have `dim` rows. */
export function unpairedRow(row: number, dim: number): number {
  const within = row % dim;
  const half = dim / 2;
  return row - within + 2 * (within % half) + (within < half ? 0 : 1);
}

/** Wilson's 95 % interval of a share: `right` of `total`, `0 <= right <= total`. */
export function wilsonInterval(right: number, total: number): { low: number; high: number } {
  const share = right / total;
  const scale = 1 + Z * Z / total;
  const centre = (share + Z * Z / (2 * total)) / scale;
  const half = Z / scale * Math.sqrt(share * (1 - share) / total + Z * Z / (4 * total * total));
  return {
    low: right === 0 ? 0 : centre - half,
    high: right === total ? 1 : centre + half,
  };
}

/** The 97.5 % quantile of the normal distribution. */
const Z = 1.959963984540054;

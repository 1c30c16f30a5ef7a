/** Numbers for people. */

/** A share as `12.3 %`. */
export function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

/** Bytes as `12 kB` or `1.23 MB`. */
export function bytes(count: number): string {
  return count >= 1e6 ? `${(count / 1e6).toFixed(2)} MB` : `${(count / 1e3).toFixed(0)} kB`;
}

/** A duration as `45 s`, `12 min` or `3 h 20 min`. */
export function duration(ms: number): string {
  const minutes = Math.round(ms / 60_000);
  if (ms < 100_000) return `${Math.ceil(ms / 1000)} s`;
  return minutes < 100 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

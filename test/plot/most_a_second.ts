/** Most of these times, in milliseconds, that any second holds. */
export function mostASecond(times: readonly number[]): number {
  return Math.max(
    ...times.map((from) => times.filter((at) => at >= from && at < from + 1000).length),
  );
}

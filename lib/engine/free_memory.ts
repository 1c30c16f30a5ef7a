/** Bytes of memory that are free now, or `Infinity` where `--allow-sys=systemMemoryInfo` is not given. */
export function freeMemoryBytes(): number {
  const { state } = Deno.permissions.querySync({ name: "sys", kind: "systemMemoryInfo" });
  return state === "granted" ? Deno.systemMemoryInfo().available : Infinity;
}

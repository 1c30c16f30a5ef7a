/** A method of a table's row. */
export interface LabelledMethod {
  /** Its name. */
  readonly method: string;
  /** Its options, as JSON. */
  readonly methodOptions: string;
}

/** The name, with the options where another method of the table has the same name; of heads' modes, how many have each. */
export function methodLabel(
  { method, methodOptions }: LabelledMethod,
  rows: readonly LabelledMethod[],
): string {
  const twins = rows.some((row) => row.method === method && row.methodOptions !== methodOptions);
  return twins ? `${method} ${shortened(methodOptions).replaceAll(/[{}"]/g, "")}` : method;
}

/** The options, counts in place of the modes of heads. */
function shortened(methodOptions: string): string {
  const { heads, ...options } = JSON.parse(methodOptions) as { heads?: unknown };
  const modes = Array.isArray(heads) ? heads.flat() : [];
  if (!modes.every((mode) => typeof mode === "string") || modes.length === 0) return methodOptions;
  const counts = [...Map.groupBy(modes, (mode) => mode)].map(([mode, some]) => {
    return [mode, some.length] as const;
  });
  return JSON.stringify({ ...options, heads: Object.fromEntries(counts) });
}

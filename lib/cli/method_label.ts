/** A method of a table's row. */
export interface LabelledMethod {
  /** Its name. */
  readonly method: string;
  /** Its options, as JSON. */
  readonly methodOptions: string;
}

/** The name, with the options where another method of the table has the same name. */
export function methodLabel(
  { method, methodOptions }: LabelledMethod,
  rows: readonly LabelledMethod[],
): string {
  const twins = rows.some((row) => row.method === method && row.methodOptions !== methodOptions);
  return twins ? `${method} ${methodOptions.replaceAll(/[{}"]/g, "")}` : method;
}

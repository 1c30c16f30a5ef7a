import fc from "fast-check";
import type { ArrowField, ArrowValue } from "../../lib/trace/arrow_stream.ts";
import { TRACE_TABLES, type TraceRow, type TraceTable } from "../../lib/trace/schema.ts";

/** Any row of a table. */
export function anyRow<Table extends TraceTable>(table: Table): fc.Arbitrary<TraceRow<Table>> {
  const columns = TRACE_TABLES[table].map((column: ArrowField) => [column.name, anyValue(column)]);
  return fc.record(Object.fromEntries(columns)) as fc.Arbitrary<TraceRow<Table>>;
}

/** Rows of `table` that are the same every time. */
export function someRows<Table extends TraceTable>(table: Table, count: number): TraceRow<Table>[] {
  return fc.sample(anyRow(table), { numRuns: count, seed: 7 });
}

function anyValue({ type, nullable = false }: ArrowField): fc.Arbitrary<ArrowValue> {
  return nullable ? fc.option(valueOf(type)) : valueOf(type);
}

function valueOf(type: ArrowField["type"]): fc.Arbitrary<ArrowValue> {
  switch (type) {
    case "utf8":
      return fc.string({ unit: "grapheme" });
    case "int32":
      return fc.integer();
    case "float64":
      return fc.double({ noNaN: true });
    case "bool":
      return fc.boolean();
    case "list<int32>":
      return fc.array(fc.integer()).map((values) => Int32Array.from(values));
  }
}

/** A result as what the roofline figure takes. */
import type { RooflineData, RooflinePoint } from "../plot/roofline.ts";
import { elementOf, peakOf, type ReadCeiling, sizeText } from "./ceilings.ts";
import type { BenchResult, BenchRow } from "./result.ts";

/** A working set that is read from a cache near the cores. */
const CACHED_BYTES = 512 * 1024;

/** The rows under the ceilings of their run; null where there is nothing to draw. */
export function rooflineOf({ ceilings, machine, rows }: BenchResult): RooflineData | null {
  if (!ceilings || rows.length === 0) return null;
  const { isa, threads } = machine;
  const peaks = (["f32", "bf16"] as const).map((type) => peakOf(ceilings, isa, type, threads));
  const reads = ceilings.read.filter((read) => read.threads === threads);
  return {
    points: rows.map(pointOf),
    reads: drawnReads(reads).map(({ bytes, gbps }) => ({
      name: `read of ${sizeText(bytes)}`,
      gbps,
    })),
    peaks: [...new Set(peaks)].map((peak) => ({
      name: `${peak.unit} ${elementOf(peak)} peak`,
      gflops: peak.gflops,
    })),
  };
}

/** The largest working set, and one that a cache holds. */
function drawnReads(reads: readonly ReadCeiling[]): ReadCeiling[] {
  const largest = reads.reduce((most, read) => read.bytes > most.bytes ? read : most);
  const cached = reads.find(({ bytes }) => bytes === CACHED_BYTES && bytes < largest.bytes);
  return cached ? [largest, cached] : [largest];
}

function pointOf({ kernel, shape, flops, trafficBytes, ms, limit }: BenchRow): RooflinePoint {
  return {
    series: kernel,
    name: shape,
    intensity: flops / trafficBytes,
    gflops: flops / ms.median / 1e6,
    ceiling: flops / limit.ms / 1e6,
  };
}

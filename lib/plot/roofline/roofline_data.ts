/** What a roofline shows. */

/** A kernel on one problem. */
export interface RooflinePoint {
  /** Points of a series have one colour and symbol. */
  readonly series: string;
  /** What it is, within its series. */
  readonly name: string;
  /** Floating-point operations for each byte that must be read or written. */
  readonly intensity: number;
  /** GFLOP/s it reached. */
  readonly gflops: number;
  /** GFLOP/s it would reach at its ceiling. */
  readonly ceiling: number;
}

/** How fast a kind of memory is read. */
export interface RooflineRead {
  /** Its name. */
  readonly name: string;
  /** GB/s. */
  readonly gbps: number;
}

/** How fast a unit multiplies and adds. */
export interface RooflinePeak {
  /** Its name. */
  readonly name: string;
  /** GFLOP/s. */
  readonly gflops: number;
}

/** Kernels and the ceilings over them. */
export interface RooflineData {
  /** The kernels. */
  readonly points: readonly RooflinePoint[];
  /** Ceilings that rise with intensity. */
  readonly reads: readonly RooflineRead[];
  /** Ceilings that do not. */
  readonly peaks: readonly RooflinePeak[];
}

/** Points of one series. */
export interface RooflineSeries {
  /** Its name. */
  readonly name: string;
  /** Its points. */
  readonly points: readonly RooflinePoint[];
  /** Smallest share of a ceiling that one reaches. */
  readonly low: number;
  /** Largest one. */
  readonly high: number;
}

/** The series in the order in which they first occur. */
export function seriesOf({ points }: RooflineData): RooflineSeries[] {
  return [...Map.groupBy(points, ({ series }) => series)].map(([name, points]) => {
    const shares = points.map(({ gflops, ceiling }) => gflops / ceiling);
    return { name, points, low: Math.min(...shares), high: Math.max(...shares) };
  });
}

/**
 * Checks that all can be drawn.
 *
 * @throws {RangeError} when something is missing, or a number is not finite and > 0
 */
export function checkRoofline(data: RooflineData): void {
  for (const name of ["points", "reads", "peaks"] as const) {
    if (data[name].length === 0) throw wrong(`there must be >= 1 ${name}`, 0);
  }
  for (const { series, name, intensity, gflops, ceiling } of data.points) {
    checkAmounts(`${series} ${name}`, { intensity, gflops, ceiling });
  }
  for (const { name, gbps } of data.reads) checkAmounts(name, { gbps });
  for (const { name, gflops } of data.peaks) checkAmounts(name, { gflops });
}

function checkAmounts(of: string, amounts: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(amounts)) {
    if (!(Number.isFinite(value) && value > 0)) {
      throw wrong(`${name} of ${of} must be finite and > 0`, value);
    }
  }
}

function wrong(rule: string, value: number): RangeError {
  return new RangeError(`Cannot draw a roofline as ${rule}: current value is ${value}`);
}

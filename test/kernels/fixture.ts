/** Reads `fixtures/reference.json` and `fixtures/estimates.json`; `make_reference.py` and `make_estimates.py` write them. */
import estimates from "./fixtures/estimates.json" with { type: "json" };
import reference from "./fixtures/reference.json" with { type: "json" };

const FILE = { ...reference, ...estimates };

/** An array of a fixture. */
export interface FixtureArray {
  /** Dimensions. */
  readonly shape: readonly number[];
  /** Elements. */
  readonly data: Float64Array;
  /** Elements as f32. */
  readonly f32: Float32Array;
  /** Elements as int32. */
  readonly i32: Int32Array;
}

/** Reads arrays and numbers of one case. */
export class Fixture {
  readonly #values: Record<string, unknown>;

  /** Opens case `name`. */
  constructor(name: keyof typeof FILE) {
    this.#values = FILE[name];
  }

  /** Array `key`. */
  array(key: string): FixtureArray {
    const { shape, data } = this.#values[key] as { shape: string; data: string };
    const numbers = Float64Array.from(data.split(" "), Number);
    return {
      shape: shape.split(" ").map(Number),
      data: numbers,
      f32: Float32Array.from(numbers),
      i32: Int32Array.from(numbers),
    };
  }

  /** Number `key`. */
  number(key: string): number {
    return this.#values[key] as number;
  }
}

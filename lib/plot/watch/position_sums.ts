/** Sums over positions of a text that grows. */
export class PositionSums {
  #sums = new Float64Array(1024);
  #length = 0;

  /** Sums of all positions; not to be kept, as the next addition may change them. */
  get values(): Float64Array {
    return this.#sums.subarray(0, this.#length);
  }

  /** Adds a row that begins at position 0. */
  add(row: ArrayLike<number>): void {
    this.#grow(row.length);
    for (let position = 0; position < row.length; position++) {
      this.#sums[position]! += row[position]!;
    }
  }

  #grow(length: number): void {
    this.#length = Math.max(this.#length, length);
    if (length <= this.#sums.length) return;
    const larger = new Float64Array(Math.max(length, 2 * this.#sums.length));
    larger.set(this.#sums);
    this.#sums = larger;
  }
}

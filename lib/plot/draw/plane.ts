/** Pixels about a plane. */
export interface Margin {
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
  readonly left: number;
}

/** What charts of series share: size, margins, and colours and symbols as they are given. */
export function planeOf(width: number, height: number, margin: Margin) {
  return {
    width,
    height,
    marginTop: margin.top,
    marginRight: margin.right,
    marginBottom: margin.bottom,
    marginLeft: margin.left,
    color: { type: "identity" },
    symbol: { type: "identity" },
  } as const;
}

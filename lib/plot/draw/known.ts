/** Rules for numbers of which some may not be known, and are `NaN`. */

/** A rule. */
export interface KnownRule {
  /** What a number must be. */
  readonly text: string;
  /** Whether it is not; never of `NaN`. */
  readonly isBroken: (value: number) => boolean;
}

/** Shares of a whole. */
export const SHARE: KnownRule = {
  text: "must be 0 .. 1 or NaN",
  isBroken: (value) => value < 0 || value > 1,
};
/** What there must be some of. */
export const SOME: KnownRule = {
  text: "must be finite and > 0, or NaN",
  isBroken: (value) => value <= 0 || value === Infinity,
};
/** What there may be none of. */
export const AMOUNT: KnownRule = {
  text: "must be finite and >= 0, or NaN",
  isBroken: (value) => value < 0 || value === Infinity,
};

/** Throws what `wrong` makes of the first number that breaks its rule. */
export function checkKnown<Name extends string>(
  values: Readonly<Record<NoInfer<Name>, number>>,
  rules: Readonly<Record<Name, KnownRule>>,
  wrong: (name: Name, rule: string, value: number) => Error,
): void {
  for (const name of Object.keys(rules) as Name[]) {
    if (rules[name].isBroken(values[name])) throw wrong(name, rules[name].text, values[name]);
  }
}

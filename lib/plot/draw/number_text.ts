/** Numbers as figures show them. */

const COMPACT = new Intl.NumberFormat("en-US", {
  notation: "compact",
  maximumSignificantDigits: 3,
});
const GROUPED = new Intl.NumberFormat("en-US");

/** A number in three digits: `0.0312`, `12.3K`, `4.2e-7`; "-" for `NaN`. */
export function shortNumber(value: number): string {
  if (Number.isNaN(value)) return "-";
  if (value !== 0 && Math.abs(value) < 1e-3) return value.toExponential(1);
  return COMPACT.format(value);
}

/** A whole number with its thousands divided: `131,072`. */
export function grouped(count: number): string {
  return GROUPED.format(Math.round(count));
}

/** Both ends of a range, or one text where they are the same: `4 to 9`. */
export function fromTo(
  low: number,
  high: number,
  text: (value: number) => string = grouped,
): string {
  return low === high ? text(low) : `${text(low)} to ${text(high)}`;
}

/** A share of 1 as percent: `85 %`, and with a digit more below 10: `3.2 %`; "-" for `NaN`. */
export function percentText(share: number): string {
  if (Number.isNaN(share)) return "-";
  const percent = 100 * share;
  if (percent > 0 && percent < 0.05) return "< 0.1 %";
  return `${percent > 0 && percent < 9.95 ? percent.toFixed(1) : percent.toFixed(0)} %`;
}

/** A share of 1 as percent, with a digit more near all: `99.7 %`; `> 99.9 %` where little is missing. */
export function keptText(share: number): string {
  if (!(share > 0.9 && share < 1)) return percentText(share);
  return share > 0.9995 ? "> 99.9 %" : `${(100 * share).toFixed(1)} %`;
}

/** Bytes: `12 kB`, `1.31 MB`, `40.2 GB`. */
export function bytesText(bytes: number): string {
  const unit = bytes >= 1e9 ? "GB" : bytes >= 1e6 ? "MB" : "kB";
  const value = bytes / { GB: 1e9, MB: 1e6, kB: 1e3 }[unit];
  return `${value >= 100 || unit === "kB" ? value.toFixed(0) : value.toPrecision(3)} ${unit}`;
}

/** Milliseconds: `0.42 ms`, `812 ms`, `12.3 s`, `4 min 10 s`. */
export function msText(ms: number): string {
  if (ms < 1000) return `${ms < 10 ? ms.toPrecision(2) : ms.toFixed(0)} ms`;
  if (ms < 100_000) return `${(ms / 1000).toPrecision(3)} s`;
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

/** Tokens a second: `2,310 tokens/s`, `8.4 tokens/s`. */
export function rateText(tokens: number, ms: number): string {
  const rate = ms > 0 ? 1000 * tokens / ms : 0;
  return `${rate >= 99.5 ? grouped(rate) : rate.toPrecision(2)} tokens/s`;
}

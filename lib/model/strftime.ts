/** Dates as text, as Python's `strftime` writes them where no locale is set. */

type Field = (date: Date) => string;

const name = (options: Intl.DateTimeFormatOptions): Field => (date) =>
  new Intl.DateTimeFormat("en-US", options).format(date);
const digits = (count: number, value: (date: Date) => number): Field => (date) =>
  String(value(date)).padStart(count, "0");

const FIELDS: ReadonlyMap<string, Field> = new Map<string, Field>([
  ["a", name({ weekday: "short" })],
  ["A", name({ weekday: "long" })],
  ["b", name({ month: "short" })],
  ["B", name({ month: "long" })],
  ["d", digits(2, (date) => date.getDate())],
  ["f", digits(6, (date) => date.getMilliseconds() * 1000)],
  ["H", digits(2, (date) => date.getHours())],
  ["I", digits(2, (date) => date.getHours() % 12 || 12)],
  ["j", digits(3, dayOfYear)],
  ["m", digits(2, (date) => date.getMonth() + 1)],
  ["M", digits(2, (date) => date.getMinutes())],
  ["p", (date) => date.getHours() < 12 ? "AM" : "PM"],
  ["S", digits(2, (date) => date.getSeconds())],
  ["w", digits(1, (date) => date.getDay())],
  ["y", digits(2, (date) => date.getFullYear() % 100)],
  ["Y", digits(4, (date) => date.getFullYear())],
  ["%", () => "%"],
]);

/**
 * `date`, in local time, as `format` says; `%-d` is `%d` without zeros in front.
 *
 * @throws {RangeError} for a field that is not known
 */
export function strftime(date: Date, format: string): string {
  return format.replace(/%(-?)(.?)/gs, (whole, minus: string, letter: string) => {
    const field = FIELDS.get(letter);
    if (field === undefined) {
      throw new RangeError(
        `Cannot write a date as its fields must be one of ${[...FIELDS.keys()].join("")}: ` +
          `current value is ${whole}`,
      );
    }
    return minus === "" ? field(date) : field(date).replace(/^0+(?=.)/, "");
  });
}

function dayOfYear(date: Date): number {
  const [year, month, day] = [date.getFullYear(), date.getMonth(), date.getDate()];
  return (Date.UTC(year, month, day) - Date.UTC(year, 0, 0)) / 86_400_000;
}

import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { StopMatcher } from "../../lib/engine/stop.ts";

/** What comes out when the text goes in piece by piece. */
function run(
  stops: readonly string[],
  pieces: readonly string[],
): [text: string, stopped: boolean] {
  const matcher = new StopMatcher(stops);
  let text = "";
  let stopped = false;
  for (const piece of pieces) {
    const pushed = matcher.push(piece);
    text += pushed.text;
    stopped = pushed.stopped;
  }
  return [text + matcher.flush(), stopped];
}

Deno.test("StopMatcher cuts the text at the stop string", () => {
  assertEquals(run(["\n"], ["one two\nthree"]), ["one two", true]);
  assertEquals(run(["END"], ["one E", "N", "D more", " and more"]), ["one ", true]);
  assertEquals(run(["END"], ["one E", "N", "E"]), ["one ENE", false]);
  assertEquals(run([], ["one", " two"]), ["one two", false]);
});

Deno.test("StopMatcher holds back only what may begin a stop string", () => {
  const matcher = new StopMatcher(["\n\n", "Question:"]);
  assertEquals(matcher.push("the Quest").text, "the ");
  assertEquals(matcher.push(" goes on\n").text, "Quest goes on");
  assertEquals(matcher.push("x").text, "\nx");
  assertEquals(matcher.push("Q").text, "");
  assertEquals(matcher.flush(), "Q");
  assertEquals(matcher.flush(), "");
});

Deno.test("StopMatcher finds a stop string that begins within a false start of itself", () => {
  assertEquals(run(["aab"], ["a", "a", "a", "b"]), ["a", true]);
});

Deno.test("StopMatcher takes the stop string that ends first, of those the longest", () => {
  assertEquals(run(["abc", "b"], ["xabc"]), ["xa", true]);
  assertEquals(run(["abc", "b"], ["xa", "b", "c"]), ["xa", true]);
  assertEquals(run(["c", "abc"], ["xabc"]), ["x", true]);
  assertEquals(run(["abc", "c"], ["xabc"]), ["x", true]);
});

Deno.test("StopMatcher gives the same however the text is cut", () => {
  const text = fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 20 });
  const stops = fc.array(
    fc.string({ unit: fc.constantFrom("a", "b", "c"), minLength: 1, maxLength: 4 }),
    {
      maxLength: 3,
    },
  );
  fc.assert(
    fc.property(fc.array(text, { maxLength: 6 }), stops, (pieces, stops) => {
      const whole = pieces.join("");
      assertEquals(run(stops, pieces), run(stops, [whole]));
      assertEquals(run(stops, [...whole]), run(stops, [whole]));
      const [out] = run(stops, pieces);
      assertEquals(whole.startsWith(out), true);
      assertEquals(stops.some((stop) => out.includes(stop)), false);
    }),
    { numRuns: 1000, seed: 1 },
  );
});

Deno.test("StopMatcher refuses an empty stop string", () => {
  assertThrows(() => new StopMatcher(["a", ""]), RangeError, "must not be empty");
});

/**
 * Whether what a test needs may not be missing: `LONGLENS_REQUIRE` lists such things, divided by commas. Where CI sets
 * it, a test fails that is skipped elsewhere.
 */
export function isRequired(name: string): boolean {
  return (Deno.env.get("LONGLENS_REQUIRE") ?? "").split(",").includes(name);
}

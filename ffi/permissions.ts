/** What Deno lets this process do, asked without ever prompting. */

/** Whether a permission was given. One that Deno would prompt for counts as missing. */
export function granted(descriptor: Deno.PermissionDescriptor): boolean {
  return Deno.permissions.querySync(descriptor).state === "granted";
}

/** The environment variable, or `undefined` where it is unset, empty or not permitted. */
export function readEnv(variable: string): string | undefined {
  if (!granted({ name: "env", variable })) return undefined;
  return Deno.env.get(variable) || undefined;
}

import { assert, assertEquals, assertInstanceOf, assertStringIncludes } from "@std/assert";
import { BackendError, BudgetError, CancelledError } from "../../ffi/errors.ts";
import { NativeControl, statusError, textBytes, textOf } from "../../ffi/native_run.ts";

Deno.test("statusError() gives each status its class, and keeps the library's text", () => {
  const classes = [RangeError, BudgetError, CancelledError, BackendError, BackendError];
  for (const [i, expected] of classes.entries()) {
    const error = statusError(i + 1, "run ll_merge", "Cannot merge as rows must be >= 0");
    assertInstanceOf(error, expected);
    assertEquals(error.message, "Cannot merge as rows must be >= 0");
  }
});

Deno.test("statusError() names the action and the status where there is no text", () => {
  const { message } = statusError(5, "run ll_merge", "");
  assertStringIncludes(message, "Cannot run ll_merge");
  assertStringIncludes(message, "status is 5");
});

Deno.test("NativeControl reads and writes the fields of ll_run", () => {
  const control = new NativeControl();
  const view = new DataView(control.bytes.buffer);
  view.setBigInt64(8, 12n, true);
  control.bytes.set(textBytes("Cannot merge"), 16);
  assertEquals([control.progress, control.error, control.cancelled], [12, "Cannot merge", false]);
  control.begin("bf16");
  assertEquals(view.getInt32(4, true), 1);
  control.begin();
  assertEquals(view.getInt32(4, true), 1);
  control.begin("f32");
  control.cancel();
  assertEquals([control.error, control.cancelled], ["", true]);
  assertEquals([view.byteLength, view.getInt32(0, true)], [256, 1]);
});

Deno.test("textOf() ends at the first zero or with the bytes", () => {
  assertEquals(textOf(textBytes("häuser")), "häuser");
  assertEquals(textOf(new Uint8Array([65, 66])), "AB");
  assert(textBytes("").length === 1);
});

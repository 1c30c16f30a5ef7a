import fc from "fast-check";

/** Any UTF-16, lone surrogates and control characters included, dense in characters of markup. */
export const anyText: fc.Arbitrary<string> = fc.string({
  unit: fc.oneof(
    fc.integer({ min: 0, max: 0xffff }).map((code) => String.fromCharCode(code)),
    fc.constantFrom(..."<>&\"'`/=!-[]?;# \t\r\n\0abc"),
    fc.constantFrom("&lt;", "&#13;", "]]>", "</p>", "<!--", "\u{1f600}"),
  ),
  maxLength: 40,
});

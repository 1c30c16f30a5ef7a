/** Bytes of a file from `start` on; fewer than `count` where it ends before. */
export async function fileBytes(
  file: Pick<Deno.FsFile, "read" | "seek">,
  start: number,
  count: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(count);
  await file.seek(start, Deno.SeekMode.Start);
  for (let done = 0; done < count;) {
    const read = await file.read(bytes.subarray(done));
    if (read === null) return bytes.subarray(0, done);
    done += read;
  }
  return bytes;
}

/** Disks that misbehave, for the files that this process writes while the returned object lives. */

type Write = typeof Deno.FsFile.prototype.write;

/** Lets files grow by `afterBytes` and then fails as a full disk does; what a file has may be written over. */
export function diskFull({ afterBytes }: { afterBytes: number }): Disposable {
  let left = afterBytes;
  return replaceWrite(async (bytes, write, file) => {
    const over = Math.max(0, file.statSync().size - file.seekSync(0, Deno.SeekMode.Current));
    if (over + left === 0) throw new Error("No space left on device (os error 28)");
    const count = await write(bytes.subarray(0, over + left));
    left -= Math.max(0, count - over);
    return count;
  });
}

/** Takes `ms` milliseconds for every write. */
export function diskSlow({ ms }: { ms: number }): Disposable {
  return replaceWrite(async (bytes, write) => {
    await new Promise((resolve) => setTimeout(resolve, ms));
    return await write(bytes);
  });
}

function replaceWrite(
  other: (bytes: Uint8Array, write: Write, file: Deno.FsFile) => Promise<number>,
): Disposable {
  const { write } = Deno.FsFile.prototype;
  Deno.FsFile.prototype.write = function (bytes) {
    return other(bytes, (some) => write.call(this, some), this);
  };
  return { [Symbol.dispose]: () => void (Deno.FsFile.prototype.write = write) };
}

/** Disks that misbehave, for the files that this process writes while the returned object lives. */

type Write = typeof Deno.FsFile.prototype.write;

/** Takes `afterBytes` more bytes and then fails as a full disk does. */
export function diskFull({ afterBytes }: { afterBytes: number }): Disposable {
  let left = afterBytes;
  return replaceWrite(async (bytes, write) => {
    if (left === 0) throw new Error("No space left on device (os error 28)");
    const count = await write(bytes.subarray(0, left));
    left -= count;
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

function replaceWrite(other: (bytes: Uint8Array, write: Write) => Promise<number>): Disposable {
  const { write } = Deno.FsFile.prototype;
  Deno.FsFile.prototype.write = function (bytes) {
    return other(bytes, (some) => write.call(this, some));
  };
  return { [Symbol.dispose]: () => void (Deno.FsFile.prototype.write = write) };
}

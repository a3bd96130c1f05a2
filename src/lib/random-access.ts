// Bytes that can be read from anywhere: of a blob, of a buffer, of a server that answers ranges.

export interface RandomAccess {
  readonly sizeBytes: number
  /** Exactly the bytes from `start`, `count` of them; never asked for more than there are. */
  read(start: number, count: number): Promise<Buffer>
}

export function randomAccessTo(bytes: Buffer): RandomAccess {
  return {
    sizeBytes: bytes.length,
    read: (start, count) => Promise.resolve(bytes.subarray(start, start + count)),
  }
}

const chunkBytes = 128 << 10

/** The bytes from `start` to before `end`, read only as they are asked for. */
export async function* readRange(file: RandomAccess, start: number, end: number): AsyncGenerator<Buffer> {
  for (let at = start; at < end; at += chunkBytes) yield await file.read(at, Math.min(chunkBytes, end - at))
}

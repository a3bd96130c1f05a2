// Contents indexes: which file is in which packages (wiki.debian.org/DebianRepository/Format, "Contents" indices).
// A line is a path, blanks, and a list of packages with their sections: `bin/sh  shells/dash,universe/x/foo`.

const newline = 10
const space = 32
const tab = 9

/**
 * Cuts Contents by packages, chunk by chunk. A line stays if one of its packages is visible, and names only those.
 * A file of half a gigabyte has ten million lines: each is looked at once, as bytes.
 */
export class ContentsFilter {
  readonly #isVisible: (name: string) => boolean
  /** What becomes of a list of packages: kept (true), dropped (null), or written so. There are few different ones. */
  readonly #verdicts = new Map<string, true | null | Buffer>()
  #rest: Buffer = Buffer.alloc(0)

  constructor(isVisible: (name: string) => boolean) {
    this.#isVisible = isVisible
  }

  /** Whole lines, each with its newline. */
  push(chunk: Buffer): Buffer[] {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    const end = bytes.lastIndexOf(newline) + 1
    this.#rest = Buffer.from(bytes.subarray(end))
    return this.#filter(bytes.subarray(0, end))
  }

  end(): Buffer[] {
    const rest = this.#rest
    this.#rest = Buffer.alloc(0)
    return rest.length === 0 ? [] : this.#filter(Buffer.concat([rest, Buffer.from('\n')]))
  }

  #filter(bytes: Buffer): Buffer[] {
    const kept: Buffer[] = []
    let runStart = 0
    for (let at = 0; at < bytes.length; ) {
      const end = bytes.indexOf(newline, at)
      const listStart = this.#listStart(bytes, at, end)
      const verdict = listStart < 0 ? null : this.#judge(bytes.toString('latin1', listStart, end))
      if (verdict !== true) {
        if (runStart < at) kept.push(bytes.subarray(runStart, at))
        if (verdict !== null) kept.push(bytes.subarray(at, listStart), verdict)
        runStart = end + 1
      }
      at = end + 1
    }
    if (runStart < bytes.length) kept.push(bytes.subarray(runStart))
    return kept
  }

  /** Where the list of packages begins; -1 for a line that has none. */
  #listStart(bytes: Buffer, start: number, end: number): number {
    for (let at = end - 1; at > start; at--) {
      const byte = bytes[at]
      if (byte === space || byte === tab) return at + 1
    }
    return -1
  }

  #judge(list: string): true | null | Buffer {
    const known = this.#verdicts.get(list)
    if (known !== undefined) return known
    const packages = list.split(',')
    const visible = packages.filter((one) => this.#isVisible(one.slice(one.lastIndexOf('/') + 1)))
    const verdict =
      visible.length === packages.length
        ? true
        : visible.length === 0
          ? null
          : Buffer.from(`${visible.join(',')}\n`, 'latin1')
    this.#verdicts.set(list, verdict)
    return verdict
  }
}

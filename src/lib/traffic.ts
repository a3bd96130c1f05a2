// What was served and what it cost, in numbers since the start. Counted by archive and channel only: what machines
// and packages are called is nobody's business here, and would never stop growing.

/** What clients of one channel got of one archive. */
export interface ChannelTraffic {
  readonly channel: string
  readonly archive: string
  /** Package files that were here. */
  hits: number
  /** Package files that had to be fetched. */
  misses: number
  /** Package files that were being fetched already. */
  joined: number
  /** Generated files: indexes and what signs them. */
  indexes: number
  /** Answers without a body, because the client has it already. */
  unmodified: number
  /** Answers that failed: upstream or our own disk kept the file away. */
  failures: number
  /** Body bytes of package files. */
  packageBytes: number
  /** Body bytes of generated files. */
  indexBytes: number
}

/** What was fetched for one archive. */
export interface UpstreamTraffic {
  readonly archive: string
  /** Of package files. */
  fetchedBytes: number
  /** Addresses that failed, or sent something else than they should. */
  troubles: number
}

export class Traffic {
  readonly #channels = new Map<string, ChannelTraffic>()
  readonly #upstream = new Map<string, UpstreamTraffic>()

  of(channel: string, archive: string): ChannelTraffic {
    const key = `${channel}/${archive}`
    const known = this.#channels.get(key)
    if (known !== undefined) return known
    const files = { hits: 0, misses: 0, joined: 0, indexes: 0, unmodified: 0, failures: 0 }
    const made = { channel, archive, ...files, packageBytes: 0, indexBytes: 0 }
    this.#channels.set(key, made)
    return made
  }

  upstream(archive: string): UpstreamTraffic {
    const known = this.#upstream.get(archive)
    if (known !== undefined) return known
    const made = { archive, fetchedBytes: 0, troubles: 0 }
    this.#upstream.set(archive, made)
    return made
  }

  channels(): readonly ChannelTraffic[] {
    return [...this.#channels.values()]
  }

  upstreams(): readonly UpstreamTraffic[] {
    return [...this.#upstream.values()]
  }

  /** Bytes that clients got without their having been fetched for it; never below nothing. */
  savedBytes(archive: string): number {
    const sent = this.channels()
      .filter((one) => one.archive === archive)
      .reduce((sum, one) => sum + one.packageBytes, 0)
    return Math.max(0, sent - (this.#upstream.get(archive)?.fetchedBytes ?? 0))
  }
}

// What this server gives to slaves, whether it is the master or a slave itself: who they are, signed manifests as soon as
// there are new ones, and the documents that those name. Runs in the server process.
import type { Clock } from '../lib/clock.ts'
import { asSha256, sha256 } from '../lib/digest.ts'
import { UusError } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import type { Slave, SlaveContact } from '../store/slaves.ts'
import type { Store } from '../store/store.ts'
import { Decoder } from '../sync/protocol/decode.ts'
import { parseBatch } from '../sync/protocol/events.ts'
import { type Hello, helloOf } from '../sync/protocol/messages.ts'
import { parseReport } from '../sync/protocol/report.ts'
import type { Call, JobsPort } from './action.ts'
import { makeManifestsStep, receiveEventsStep, recordContactsStep } from './source-steps.ts'

export interface SyncSourceOptions {
  readonly reader: Store
  readonly jobs: JobsPort
  readonly clock: Clock
  readonly log: Log
  readonly version: string
  readonly isMaster: boolean
  /** Whom this server follows in turn, the nearest first. */
  chain(): readonly string[]
}

/** Who asks. */
export type Caller = Pick<Slave, 'id' | 'name' | 'channels'>

const call: Call = { actor: { name: 'uus', via: 'schedule' }, emit: () => {} }
const flushEveryMs = 10_000
/** A manifest is looked at anew so often, whatever happens: it has to be signed once a day. */
const lookEveryMs = 600_000
export const maxWaitSeconds = 60

export class SyncSource implements AsyncDisposable {
  readonly #options: SyncSourceOptions
  readonly #stop = new AbortController()
  /** Those who wait for news. */
  readonly #waiters = new Set<() => void>()
  readonly #contacts = new Map<number, SlaveContact>()
  #making: Promise<void> | null = null
  #isToMakeAgain = false

  constructor(options: SyncSourceOptions) {
    this.#options = options
  }

  start(): void {
    this.changed()
    void this.#every(flushEveryMs, () => this.flush())
    void this.#every(lookEveryMs, async () => this.changed())
  }

  get serverId(): string {
    return this.#options.reader.settings.get('server-id') ?? ''
  }

  /** The slave that a token belongs to; TOKEN_REFUSED. */
  authenticate(token: string | null): Caller {
    const slave = token === null ? null : this.#options.reader.slaves.findByToken(sha256(Buffer.from(token)))
    if (slave === null) {
      throw new UusError('TOKEN_REFUSED', 'This token is not known here', {
        hint: 'Have one made with "uus slave add" on the master',
      })
    }
    return slave
  }

  /** SYNC_LOOP if this server follows the one that asks. `serverId` is the asking server's. */
  refuseLoop(serverId: string | null): void {
    if (serverId === null) return
    if (serverId !== this.serverId && !this.#options.chain().includes(serverId)) return
    throw new UusError('SYNC_LOOP', 'This server follows the one that asks: nobody would decide anything', {
      hint: 'Let "master.url" name a server that is nearer to the master',
    })
  }

  hello({ channels }: Caller): Hello {
    const { reader, version, chain } = this.#options
    const known = channels.filter((name) => reader.channels.find(name)?.isConfigured === true)
    return helloOf(version, [this.serverId, ...chain()].filter(Boolean), known)
  }

  /** The manifest of a channel, once it is another than the one whose digest is `after`; null if none came in time. */
  async manifest(
    { channels }: Caller,
    name: string,
    after: string | null,
    waitSeconds: number,
    signal: AbortSignal,
  ): Promise<Buffer | null> {
    const { reader, clock } = this.#options
    const channel = channels.includes(name) ? reader.channels.find(name) : null
    if (channel === null) {
      throw new UusError('UNKNOWN_NAME', `This slave is given no channel "${name}"`, {
        hint: 'See "uus slave list" on the master',
      })
    }
    const newest = () => {
      const bytes = reader.manifests.find(channel.id)?.bytes ?? null
      return bytes === null || sha256(bytes) === after ? null : bytes
    }
    await this.#making
    const found = newest()
    if (found !== null || waitSeconds <= 0) return found
    using over = new DisposableAbort(signal, this.#stop.signal)
    const timer = clock.sleep(Math.min(waitSeconds, maxWaitSeconds) * 1000, over.signal).catch(() => {})
    while (!over.signal.aborted) {
      const isLate = await Promise.race([this.#news(over.signal).then(() => false), timer.then(() => true)])
      const bytes = newest()
      if (bytes !== null || isLate) return bytes
    }
    return null
  }

  /** Those that were not revoked, with who was in touch just now. */
  slaves(): Slave[] {
    return this.#options.reader.slaves.list().map((slave) => {
      const contact = this.#contacts.get(slave.id)
      if (contact === undefined) return slave
      return { ...slave, contactAt: contact.at, report: contact.report ?? slave.report }
    })
  }

  /** A document that a manifest names, now or lately. */
  document(text: string): Buffer | null {
    const digest = asSha256(text)
    return digest === null ? null : this.#options.reader.manifests.document(digest)
  }

  /** A slave was in touch, and perhaps says how it is. Written down with others a moment later. */
  contact({ id }: Caller, report: string | null): void {
    const parsed = report === null ? null : parseReport(new Decoder('The report of a slave'), report)
    const waiting = this.#contacts.get(id)?.report ?? null
    this.#contacts.set(id, { slaveId: id, at: this.#options.clock.now(), report: parsed ?? waiting })
  }

  /** Resolves when the batch is durable. */
  async events({ id, name }: Caller, text: string): Promise<void> {
    const batch = parseBatch(new Decoder('The events of a slave'), text)
    await this.#options.jobs.run(receiveEventsStep, { slaveId: id, name, batch }, call)
  }

  /** Writes down who was in touch. */
  async flush(): Promise<void> {
    const contacts = [...this.#contacts.values()]
    if (contacts.length === 0) return
    this.#contacts.clear()
    await this.#options.jobs.run(recordContactsStep, contacts, call)
  }

  /** What is served may have changed: a master describes it anew, and whoever waits is told. */
  changed(): void {
    const { isMaster, reader } = this.#options
    if (!isMaster || reader.slaves.list().length === 0) {
      this.#tell()
      return
    }
    this.#isToMakeAgain = true
    this.#making ??= this.#make().finally(() => {
      this.#making = null
    })
  }

  async #make(): Promise<void> {
    while (this.#isToMakeAgain && !this.#stop.signal.aborted) {
      this.#isToMakeAgain = false
      try {
        await this.#options.jobs.run(makeManifestsStep, {}, call)
      } catch (error) {
        if (this.#stop.signal.aborted) return
        const { message, hint } = UusError.from(error)
        this.#options.log('error', `Slaves are not told of what is new: ${message}`, hint ? { hint } : {})
      }
      this.#tell()
    }
  }

  #tell(): void {
    for (const waiter of [...this.#waiters]) waiter()
  }

  #news(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        this.#waiters.delete(end)
        signal.removeEventListener('abort', end)
        resolve()
      }
      this.#waiters.add(end)
      signal.addEventListener('abort', end, { once: true })
    })
  }

  async #every(ms: number, act: () => Promise<void>): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      await this.#options.clock.sleep(ms, signal).catch(() => {})
      if (signal.aborted) return
      await act().catch((error) => this.#options.log('error', UusError.from(error).message))
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    this.#tell()
    await this.#making?.catch(() => {})
    await this.flush().catch(() => {}) // the jobs process may be gone; it was only who was in touch
  }
}

/** Aborted when one of its sources is, or when it is done with. */
class DisposableAbort implements Disposable {
  readonly #own = new AbortController()
  readonly signal: AbortSignal

  constructor(...sources: AbortSignal[]) {
    this.signal = AbortSignal.any([this.#own.signal, ...sources])
  }

  [Symbol.dispose](): void {
    this.#own.abort()
  }
}

// A slave in this process, behind a relay that lies on demand. It syncs when it is told, with a clock of its own.
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { StatusResult } from '../../src/actions/status.ts'
import type { SyncResult } from '../../src/actions/sync.ts'
import { type AloneProcess, openAlone } from '../../src/app.ts'
import { parseConfig } from '../../src/config/config.ts'
import type { Disk } from '../../src/lib/disk.ts'
import type { Event } from '../../src/lib/events.ts'
import { checkTree, type Seen } from './check-tree.ts'
import { FakeClock } from './clock.ts'
import type { Relay } from './relay.ts'
import type { TestServer } from './server.ts'
import { slaveBehindRelay } from './tiers.ts'

export class LocalSlave implements AsyncDisposable {
  readonly relay: Relay
  readonly clock = new FakeClock(Date.now())
  readonly events: Event[] = []
  readonly #enrolled: { readonly slave: TestServer } & AsyncDisposable
  #process: AloneProcess | null = null

  private constructor(enrolled: { relay: Relay; slave: TestServer } & AsyncDisposable) {
    this.#enrolled = enrolled
    this.relay = enrolled.relay
  }

  static async of(master: TestServer, more: readonly string[] = []): Promise<LocalSlave> {
    const slave = new LocalSlave(await slaveBehindRelay(master, 'oslo', more, false))
    await slave.open()
    return slave
  }

  get folder(): string {
    return this.#enrolled.slave.folder
  }

  get process(): AloneProcess {
    return this.#process!
  }

  get store() {
    return this.process.jobs.repo.store
  }

  async open(disk?: Disk): Promise<void> {
    await this.stop()
    const path = this.#enrolled.slave.configPath
    this.#process = await openAlone(parseConfig(readFileSync(path, 'utf8'), path), disk, this.clock)
  }

  async stop(): Promise<void> {
    await this.#process?.[Symbol.asyncDispose]()
    this.#process = null
  }

  /** Present again, as the other hosts' clocks. */
  async sync(): Promise<SyncResult> {
    this.clock.advance(Math.max(0, Date.now() - this.clock.now()))
    return this.call('sync')
  }

  call<R>(verb: string, input: Record<string, unknown> = {}): Promise<R> {
    const emit = (event: Event) => void this.events.push(event)
    return this.process.call(verb, input, { actor: { name: 'tester', via: 'cli' }, emit }) as Promise<R>
  }

  /** What went wrong with a channel, in one text; empty if nothing did. */
  async refusalOf(channel = 'approved'): Promise<string> {
    const { items } = await this.sync()
    const error = items.find((item) => item.channel === channel)?.error
    return error === null || error === undefined ? '' : `${error.code}: ${error.message}`
  }

  status(): Promise<StatusResult> {
    return this.call('status')
  }

  inRelease(channel = 'approved', suite = 'stable'): string | null {
    const file = this.process.context
      .published()
      .channels.get(channel)
      ?.archives.get('test')
      ?.files.get(`dists/${suite}/InRelease`)
    return file?.type === 'bytes' ? file.bytes.toString() : null
  }

  /** Verifies all that is served, as a suspicious client would. */
  check(): Promise<Seen> {
    return checkTree({
      store: this.store,
      publishedFolder: join(this.folder, 'data', 'published'),
      channels: [],
      now: Math.max(this.clock.now(), Date.now()),
    })
  }

  /** A copy of its data to go back to. */
  async save(): Promise<string> {
    await this.stop()
    const copy = mkdtempSync(join(tmpdir(), 'uus-slave-copy-'))
    cpSync(this.folder, copy, { recursive: true })
    return copy
  }

  restore(copy: string): void {
    rmSync(join(this.folder, 'data'), { recursive: true, force: true })
    cpSync(copy, this.folder, { recursive: true })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
    await this.#enrolled[Symbol.asyncDispose]()
  }
}

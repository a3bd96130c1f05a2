// UUS in this process, on a temporary data directory: actions are called as the command line calls them.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { PendingResult } from '../../src/actions/pending.ts'
import type { PromoteResult } from '../../src/actions/promote.ts'
import type { UpdateResult } from '../../src/actions/update.ts'
import { type AloneProcess, openAlone } from '../../src/app.ts'
import { type Config, parseConfig } from '../../src/config/config.ts'
import type { Disk } from '../../src/lib/disk.ts'
import type { Event } from '../../src/lib/events.ts'
import type { Placed } from '../../src/store/views.ts'
import type { FakeArchive } from './archive.ts'
import { checkTree, type Seen } from './check-tree.ts'
import { FakeClock } from './clock.ts'
import type { BuiltPackage } from './packages.ts'

export interface RigArchive {
  readonly archive: FakeArchive
  readonly name?: string
  /** Default: the archive's own address. */
  readonly uris?: readonly string[]
  readonly suites?: readonly string[]
  readonly components?: readonly string[]
  readonly architectures?: readonly string[]
  /** Further settings of the archive, as YAML lines without indentation. */
  readonly more?: readonly string[]
}

export interface RigOptions {
  readonly archives: readonly RigArchive[]
  /** Local archives, as YAML flow values. */
  readonly local?: readonly string[]
  /** The `channels:` block, as YAML flow values by name. */
  readonly channels?: Readonly<Record<string, string>>
  /** Further top-level YAML lines. */
  readonly more?: readonly string[]
  readonly clock?: FakeClock
  readonly disk?: Disk
}

export function writeConfig(folder: string, options: RigOptions): string {
  const path = join(folder, 'config.yaml')
  const archives = options.archives.map(({ archive, ...one }) =>
    [
      `  - name: ${one.name ?? 'test'}`,
      `    uris: [${(one.uris ?? [archive.url]).join(', ')}]`,
      `    suites: [${(one.suites ?? ['stable']).join(', ')}]`,
      ...(one.components?.length === 0
        ? []
        : [`    components: [${(one.components ?? ['main']).join(', ')}]`]),
      `    architectures: [${(one.architectures ?? ['amd64']).join(', ')}]`,
      `    signed-by: ${archive.keyring}`,
      ...(one.more ?? []).map((line) => `    ${line}`),
    ].join('\n'),
  )
  const channels = options.channels ?? { testing: '{from: upstream}', approved: '{from: testing}' }
  const text = [
    'data: data',
    'listen: 127.0.0.1:0',
    ...(options.more ?? []),
    'archives:',
    ...archives,
    ...(options.local ?? []).map((value) => `  - ${value}`),
    'channels:',
    ...Object.entries(channels).map(([name, value]) => `  ${name}: ${value}`),
    '',
  ].join('\n')
  writeFileSync(path, text)
  return path
}

export class Rig implements AsyncDisposable {
  readonly folder: string
  readonly clock: FakeClock
  readonly events: Event[] = []
  #options: RigOptions
  #process: AloneProcess | null = null

  private constructor(folder: string, options: RigOptions) {
    this.folder = folder
    this.#options = options
    this.clock = options.clock ?? new FakeClock()
  }

  static async open(options: RigOptions): Promise<Rig> {
    const rig = new Rig(mkdtempSync(join(tmpdir(), 'uus-rig-')), options)
    try {
      await rig.restart()
    } catch (error) {
      await rig[Symbol.asyncDispose]()
      throw error
    }
    return rig
  }

  /** Ends the process and starts it again, with another configuration if one is given. */
  async restart(options: { [K in keyof RigOptions]?: RigOptions[K] | undefined } = {}): Promise<void> {
    await this.stop()
    this.#options = { ...this.#options, ...options } as RigOptions
    writeConfig(this.folder, this.#options)
    this.#process = await openAlone(this.config, this.#options.disk, this.clock)
  }

  async stop(): Promise<void> {
    await this.#process?.[Symbol.asyncDispose]()
    this.#process = null
  }

  get config(): Config {
    const path = join(this.folder, 'config.yaml')
    return parseConfig(readFileSync(path, 'utf8'), path)
  }

  get process(): AloneProcess {
    return this.#process!
  }

  get store() {
    return this.process.jobs.repo.store
  }

  call<R>(verb: string, input: Record<string, unknown> = {}, actor = 'tester'): Promise<R> {
    const emit = (event: Event) => void this.events.push(event)
    return this.process.call(verb, input, { actor: { name: actor, via: 'cli' }, emit }) as Promise<R>
  }

  update(input: Record<string, unknown> = {}): Promise<UpdateResult> {
    return this.call('update', input)
  }

  /** An update in which nothing fails. */
  async mustUpdate(): Promise<UpdateResult> {
    const result = await this.update()
    for (const item of result.items) {
      if (item.error !== null)
        throw new Error(`${item.archive}/${item.suite}: ${item.error.message} (${item.error.hint})`)
    }
    return result
  }

  promote(...selectors: string[]): Promise<PromoteResult> {
    return this.call('promote', { selectors })
  }

  /** What waits, `source kind from → to`. */
  async pending(channel?: string): Promise<string[]> {
    const { items } = await this.call<PendingResult>('pending', channel === undefined ? {} : { channel })
    return items.map((item) => `${item.source} ${item.kind} ${item.from ?? '-'} → ${item.to}`)
  }

  /** What a channel shows, `suite/component/architecture name version`, sorted. */
  shows(channel: string, suite?: string): string[] {
    const { store } = this
    const { id } = store.channels.find(channel)!
    return store.archives
      .indexes()
      .filter((index) => suite === undefined || index.suite === suite)
      .flatMap((index) => {
        const view = store.views.find(id, index.id)
        const records =
          view === null ? [] : store.views.recordIds(view.id).map((one) => store.records.get(one))
        const place = suite === undefined ? `${index.suite}/${index.component}/${index.architecture} ` : ''
        return records.map((record) => `${place}${record.name} ${record.version}`)
      })
      .sort()
  }

  /** Puts a package's file where fetched ones are. */
  async cache({ file }: BuiltPackage): Promise<void> {
    const writer = await this.process.network.packages.create()
    await writer.write(file)
    await writer.commit()
  }

  /** Verifies all that is published; what clients see, by `channel/archive/suite`. */
  check(): Promise<Seen> {
    return checkTree({
      store: this.store,
      publishedFolder: join(this.folder, 'data', 'published'),
      channels: this.config.channels,
      now: this.clock.now(),
    })
  }

  stanzas(channel: string, source: string): Placed[] {
    return this.store.views.bySource(this.store.channels.find(channel)!.id, source)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
    rmSync(this.folder, { recursive: true, force: true })
  }
}

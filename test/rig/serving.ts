// The real server over a made upstream archive that has indexes of every kind: what outside programs are held against.
import type { UpdateResult } from '../../src/actions/update.ts'
import { FakeArchive, type SuiteSpec } from './archive.ts'
import { hour } from './clock.ts'
import { aSource, commands, components, inContents, paths, translation } from './indexes.ts'
import type { BuiltPackage } from './packages.ts'
import type { RigOptions } from './rig.ts'
import { TestServer } from './server.ts'

/** Every kind of index that UUS takes over. */
export const everyKind = 'indexes: [packages, translations, cnf, dep11, sources, contents]'

export const icons = Buffer.from('icons '.repeat(1000))

/** The indexes that go with packages. A package's description is its name. */
export function furtherIndexes(content: readonly BuiltPackage[]): Record<string, string | Buffer> {
  const names = content.map(({ spec }) => spec.name)
  const sources = content.map(({ spec }) => aSource(spec.name, spec.version).stanza)
  return {
    [paths.translation]: names.map((name) => translation(name, name)).join('\n'),
    [paths.commands]: commands(...names),
    [paths.components]: components(...names),
    [paths.icons]: icons,
    [paths.sources]: sources.join('\n'),
    [paths.contents]: inContents(...names),
  }
}

export class Serving implements AsyncDisposable {
  readonly archive: FakeArchive
  readonly server: TestServer
  // Programs from outside have a real clock.
  static #date = Date.now() - 2000 * hour

  private constructor(archive: FakeArchive, server: TestServer) {
    this.archive = archive
    this.server = server
  }

  /** Packages are `described`, each its own source. */
  static async start(content: readonly BuiltPackage[], options: Partial<RigOptions> = {}): Promise<Serving> {
    const archive = await FakeArchive.start()
    try {
      await Serving.#publish(archive, content)
      const server = await TestServer.start({ archives: [{ archive, more: [everyKind] }], ...options })
      const serving = new Serving(archive, server)
      await serving.update()
      return serving
    } catch (error) {
      await archive[Symbol.asyncDispose]()
      throw error
    }
  }

  static async #publish(
    archive: FakeArchive,
    content: readonly BuiltPackage[],
    more: Partial<SuiteSpec> = {},
  ): Promise<void> {
    Serving.#date += 60_000
    for (const { spec } of content)
      for (const [path, body] of aSource(spec.name, spec.version).files) archive.addFile(path, body)
    await archive.publish('stable', {
      components: { main: { amd64: content } },
      further: furtherIndexes(content),
      date: Serving.#date,
      ...more,
    })
  }

  /** Upstream has other packages from now on, and the server has seen them. */
  async offer(content: readonly BuiltPackage[], more: Partial<SuiteSpec> = {}): Promise<void> {
    await Serving.#publish(this.archive, content, more)
    await this.update()
  }

  async update(): Promise<void> {
    const { items } = await this.server.call<UpdateResult>('update')
    for (const { archive, suite, error } of items)
      if (error !== null) throw new Error(`${archive}/${suite}: ${error.message} (${error.hint})`)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server[Symbol.asyncDispose]()
    await this.archive[Symbol.asyncDispose]()
  }
}

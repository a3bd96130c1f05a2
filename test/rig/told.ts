// What a server tells its slaves of a channel, asked for as a slave asks: the manifest, and how each file is made.
import type { SlaveAddResult } from '../../src/actions/slaves.ts'
import { type Manifest, parseManifest } from '../../src/sync/protocol/manifest.ts'
import { parseFileList, parseRecipe, type Recipe } from '../../src/sync/protocol/recipe.ts'
import type { TestServer } from './server.ts'

export class Told {
  readonly #server: TestServer
  readonly #headers: Record<string, string>

  private constructor(server: TestServer, token: string) {
    this.#server = server
    this.#headers = { authorization: `Bearer ${token}` }
  }

  /** Asks with a token of its own. */
  static async by(server: TestServer, name = 'reader'): Promise<Told> {
    const { token } = await server.call<SlaveAddResult>('slave add', { name })
    return new Told(server, token)
  }

  async #get(path: string): Promise<string> {
    const response = await this.#server.get(`/sync/v1/${path}`, this.#headers)
    if (response.status !== 200)
      throw new Error(`${path}: ${response.status} ${await response.text()}\n${this.#server.log}`)
    return response.text()
  }

  async manifest(channel = 'approved'): Promise<Manifest> {
    const text = await this.#get(`channels/${channel}`)
    return parseManifest(/^\{.*\}$/m.exec(text)![0], 'the manifest')
  }

  /** By the text's digest. */
  async recipes(channel = 'approved'): Promise<Map<string, Recipe>> {
    const recipes = new Map<string, Recipe>()
    for (const { files } of (await this.manifest(channel)).suites) {
      const list = parseFileList(await this.#get(`documents/${files}`), 'the list')
      for (const digest of new Set(list.values())) {
        const recipe = parseRecipe(await this.#get(`documents/${digest}`), 'the recipe')
        recipes.set(recipe.text.sha256, recipe)
      }
    }
    return recipes
  }
}

/** Packed blocks of `now` that `before` has not, and the texts that they are of. */
export function changedBlocks(before: Map<string, Recipe>, now: Map<string, Recipe>) {
  const blocksOf = (recipes: Map<string, Recipe>) => {
    const blocks = new Map<string, number>()
    for (const { blocks: texts, forms } of recipes.values())
      for (const { encoder, packedBytes } of forms)
        for (const [index, { sha256 }] of texts.entries())
          blocks.set(`${encoder} ${sha256}`, packedBytes[index]!)
    return blocks
  }
  const sum = (blocks: Iterable<number>) => [...blocks].reduce((total, bytes) => total + bytes, 0)
  const old = blocksOf(before)
  const all = blocksOf(now)
  const changed = [...all].filter(([key]) => !old.has(key)).map(([, bytes]) => bytes)
  return {
    allBytes: sum(all.values()),
    changedBytes: sum(changed),
    indexes: [...now.keys()].filter((text) => !before.has(text)).length,
  }
}

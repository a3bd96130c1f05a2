// Upstream's own signed files for clients of the forward proxy: revalidated at each question, and in generations, so
// that nobody gets a Release and indexes that do not belong together. Any suite below a configured address will do.
import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile } from 'node:fs/promises'
import { dirname, join, posix } from 'node:path'
import type { Clock } from '../../lib/clock.ts'
import type { Sha256 } from '../../lib/digest.ts'
import { type Disk, writeFileDurable } from '../../lib/disk.ts'
import { Turns } from '../../lib/turns.ts'
import { encodePath } from '../../lib/url-path.ts'
import type { Fetcher, Validators } from '../../pool/fetcher.ts'
import type { FetchedRelease } from './adopt.ts'
import type { UpstreamArchive } from './archive.ts'

// apt's Acquire::MaxReleaseFileSize.
const maxReleaseBytes = 10_000_000
const keptGenerations = 3
/** So long a client is given the indexes of the Release that it got. */
const clientMs = 3_600_000
const maxClients = 20_000

/** What a verified Release says. */
export interface SignedFiles {
  readonly date: number
  readonly byHash: boolean
  /** By path relative to the suite's folder. */
  readonly files: readonly { readonly path: string; readonly sha256: Sha256; readonly sizeBytes: number }[]
}

/** Verifies with the archive's own keys; rejects what they did not sign. */
export type VerifyForwarded = (
  archive: string,
  suite: string,
  fetched: FetchedRelease,
) => Promise<SignedFiles>

/** A file that a signed Release names. */
export interface ForwardedFile {
  readonly sha256: Sha256
  readonly sizeBytes: number
  readonly lastModified: number
  /** Named by its hash. */
  readonly isImmutable: boolean
  /** Where it is to be asked for, below the archive, in order. */
  readonly paths: readonly string[]
  /** Its own name, also where it was asked for by its hash. */
  readonly plainPath: string
  /** The size of its unpacked form, if the Release lists that. */
  readonly plainBytes: number | null
}

interface Generation extends SignedFiles {
  readonly fetched: FetchedRelease
  readonly byPath: ReadonlyMap<string, { readonly sha256: Sha256; readonly sizeBytes: number }>
}

/** One signed file of a suite: InRelease, or Release with its signature. */
interface Track {
  readonly archive: string
  /** Below the archive. */
  readonly folder: string
  /** Newest first. */
  generations: readonly Generation[]
  held: { readonly url: string; readonly validators: Validators } | null
}

type Form = FetchedRelease['type']

export interface ForwardOptions {
  readonly fetcher: Fetcher
  readonly verify: VerifyForwarded
  /** Where the last generations are kept. */
  readonly folder: string
  readonly disk: Disk
  readonly clock: Clock
  onTrouble(archive: string, error: unknown): void
}

export class ForwardReleases {
  readonly #options: ForwardOptions
  readonly #tracks = new Map<string, Track>()
  readonly #turns = new Turns()
  /** Which generation a client got last, by client and track. */
  readonly #clients = new Map<string, { readonly generation: Generation; readonly at: number }>()
  #loaded: Promise<void> | null = null

  constructor(options: ForwardOptions) {
    this.#options = options
  }

  /**
   * A signed file as upstream has it now; what is held, where upstream cannot be asked. Null if upstream has none.
   * Rejects if there is neither.
   */
  async release(
    archive: UpstreamArchive,
    path: string,
    client: string,
  ): Promise<{ readonly bytes: Buffer; readonly lastModified: number } | null> {
    await this.#load()
    const folder = posix.dirname(path)
    const form: Form = posix.basename(path) === 'InRelease' ? 'inrelease' : 'detached'
    const key = `${archive.name} ${folder} ${form}`
    const track = await this.#turns.take(key, () => this.#revalidate(key, archive, folder, form))
    const [generation] = track?.generations ?? []
    if (generation === undefined) return null
    this.#remember(client, key, generation)
    const { fetched, date: lastModified } = generation
    const isSignature = fetched.type === 'detached' && path.endsWith('.gpg')
    return { bytes: Buffer.from(isSignature ? fetched.signature : fetched.file), lastModified }
  }

  async #revalidate(
    key: string,
    archive: UpstreamArchive,
    folder: string,
    form: Form,
  ): Promise<Track | null> {
    const track = this.#tracks.get(key) ?? { archive: archive.name, folder, generations: [], held: null }
    let failure: unknown = null
    for (const { uri } of archive.uris) {
      try {
        const answer = await this.#ask(archive, uri, track, form)
        if (answer === 'unchanged') return track
        if (answer === 'absent') continue
        await this.#take(key, track, answer)
        return track
      } catch (error) {
        failure ??= error
        this.#options.onTrouble(archive.name, error)
      }
    }
    // Upstream says that there is no such suite any more; it says nothing while it is away.
    if (failure === null) return null
    if (track.generations.length > 0) return track
    throw failure
  }

  async #ask({ transport }: UpstreamArchive, uri: string, track: Track, form: Form) {
    const { fetcher } = this.#options
    const at = (name: string) => encodePath(uri, posix.join(track.folder, name))
    const url = at(form === 'inrelease' ? 'InRelease' : 'Release')
    const validators = track.held?.url === url ? track.held.validators : undefined
    const answer = await fetcher.fetchSmall(url, maxReleaseBytes, { transport, validators })
    if (answer.outcome !== 'ok') return answer.outcome
    const held = { url, validators: answer.validators }
    if (form === 'inrelease') return { held, fetched: { type: form, file: answer.bytes } as const }
    const signature = await fetcher.fetchSmall(at('Release.gpg'), maxReleaseBytes, { transport })
    if (signature.outcome !== 'ok') return 'absent'
    return { held, fetched: { type: form, file: answer.bytes, signature: signature.bytes } as const }
  }

  async #take(
    key: string,
    track: Track,
    { held, fetched }: { held: NonNullable<Track['held']>; fetched: FetchedRelease },
  ): Promise<void> {
    const [newest] = track.generations
    if (newest !== undefined && Buffer.from(newest.fetched.file).equals(fetched.file)) {
      track.held = held
      return
    }
    const suite = track.folder.replace(/^dists\//, '')
    const signed = await this.#options.verify(track.archive, suite, fetched)
    // A mirror that lags behind: nobody goes back in time.
    if (newest !== undefined && signed.date < newest.date) return
    track.generations = [generationOf(fetched, signed), ...track.generations].slice(0, keptGenerations)
    track.held = held
    this.#tracks.set(key, track)
    await this.#save(key, track)
  }

  #remember(client: string, key: string, generation: Generation): void {
    const name = `${client} ${key}`
    this.#clients.delete(name)
    this.#clients.set(name, { generation, at: this.#options.clock.now() })
    const [oldest] = this.#clients.keys()
    if (this.#clients.size > maxClients && oldest !== undefined) this.#clients.delete(oldest)
  }

  /** What a path below a suite that was asked for stands for; null if no signed file names it. */
  async find(archive: string, path: string, client: string): Promise<ForwardedFile | null> {
    await this.#load()
    for (const [key, track] of this.#tracks) {
      if (track.archive !== archive || !isBelow(path, track.folder)) continue
      const name = posix.relative(track.folder, path)
      const hash = /^(.*\/)?by-hash\/SHA256\/([0-9a-f]{64})$/.exec(name)
      const found =
        hash === null ? this.#findPlain(key, track, name, client) : findByHash(track, hash[1] ?? '', hash[2]!)
      if (found !== null) return found
    }
    return null
  }

  /** The index that a path stood for when it was found. */
  async findByDigest(archive: string, path: string, digest: Sha256): Promise<ForwardedFile | null> {
    await this.#load()
    for (const track of this.#tracks.values()) {
      if (track.archive !== archive || !isBelow(path, track.folder)) continue
      for (const generation of track.generations) {
        const file = generation.files.find(({ sha256 }) => sha256 === digest)
        if (file !== undefined) return describe(track, generation, file.path, file, false)
      }
    }
    return null
  }

  #findPlain(key: string, track: Track, name: string, client: string): ForwardedFile | null {
    const got = this.#clients.get(`${client} ${key}`)
    const isRecent = got !== undefined && this.#options.clock.now() - got.at < clientMs
    const generation = isRecent ? got.generation : track.generations[0]
    const file = generation?.byPath.get(name)
    return file === undefined ? null : describe(track, generation!, name, file, false)
  }

  /** The package indexes of the present generations, one form of each. */
  async packageIndexes(archive: string, isWanted: (path: string) => boolean): Promise<ForwardedFile[]> {
    await this.#load()
    const found = new Map<string, ForwardedFile>()
    for (const track of this.#tracks.values()) {
      const [generation] = track.generations
      if (track.archive !== archive || generation === undefined) continue
      for (const { path, ...file } of generation.files) {
        const plain = posix.join(track.folder, path.replace(/\.(gz|xz|zst)$/, ''))
        if (/\.(gz|xz|zst)$/.test(path) && isWanted(path) && !found.has(plain))
          found.set(plain, describe(track, generation, path, file, false))
      }
    }
    return [...found.values()]
  }

  #load(): Promise<void> {
    this.#loaded ??= this.#readAll()
    return this.#loaded
  }

  async #readAll(): Promise<void> {
    const { folder } = this.#options
    await mkdir(folder, { recursive: true })
    for (const name of await readdir(folder)) {
      if (!name.endsWith('.json')) continue
      const saved = readSaved(await readFile(join(folder, name), 'utf8'))
      if (saved !== null) this.#tracks.set(saved.key, saved.track)
    }
  }

  async #save(key: string, { archive, folder, generations }: Track): Promise<void> {
    const name = createHash('sha256').update(key).digest('hex').slice(0, 32)
    const text = JSON.stringify({
      key,
      archive,
      folder,
      generations: generations.map(({ fetched, date, byHash, files }) => {
        const { file, ...rest } = fetched
        const signature = 'signature' in rest ? { signature: toBase64(rest.signature) } : {}
        return { fetched: { type: rest.type, file: toBase64(file), ...signature }, date, byHash, files }
      }),
    })
    await writeFileDurable(this.#options.disk, join(this.#options.folder, `${name}.json`), text)
  }
}

function toBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64')
}

/** What cannot be read is fetched again. */
function readSaved(text: string): { key: string; track: Track } | null {
  try {
    const { key, archive, folder, generations } = JSON.parse(text)
    const track: Track = {
      archive,
      folder,
      held: null,
      generations: generations.map((one: Record<string, never>) => {
        const { type, file, signature } = one.fetched as unknown as Record<string, string>
        const bytes = { file: Buffer.from(file!, 'base64') }
        const fetched =
          type === 'inrelease'
            ? { type, ...bytes }
            : { type: 'detached' as const, ...bytes, signature: Buffer.from(signature!, 'base64') }
        return generationOf(fetched as FetchedRelease, one as unknown as SignedFiles)
      }),
    }
    return { key, track }
  } catch {
    return null
  }
}

function generationOf(fetched: FetchedRelease, { date, byHash, files }: SignedFiles): Generation {
  return { fetched, date, byHash, files, byPath: new Map(files.map(({ path, ...file }) => [path, file])) }
}

function isBelow(path: string, folder: string): boolean {
  return folder === '.' || path.startsWith(`${folder}/`)
}

/** Of any generation that is kept: a hash names one content. */
function findByHash(track: Track, folder: string, digest: string): ForwardedFile | null {
  for (const generation of track.generations) {
    const file = generation.files.find(
      ({ path, sha256 }) =>
        sha256 === digest && (dirname(path) === '.' ? '' : `${dirname(path)}/`) === folder,
    )
    if (file !== undefined) return describe(track, generation, file.path, file, true)
  }
  return null
}

function describe(
  track: Track,
  generation: Generation,
  name: string,
  { sha256, sizeBytes }: { readonly sha256: Sha256; readonly sizeBytes: number },
  isImmutable: boolean,
): ForwardedFile {
  const plainPath = posix.join(track.folder, name)
  const byHash = posix.join(posix.dirname(plainPath), 'by-hash', 'SHA256', sha256)
  return {
    sha256,
    sizeBytes,
    lastModified: generation.date,
    isImmutable,
    paths: generation.byHash ? [byHash, plainPath] : [plainPath],
    plainPath,
    plainBytes: generation.byPath.get(name.replace(/\.(gz|xz|zst)$/, ''))?.sizeBytes ?? null,
  }
}

// Reading a bundle: for a slave it stands in for its master. What it gives is looked into as if a network had brought it.
import { type FileHandle, open } from 'node:fs/promises'
import type { Sha256 } from '../../lib/digest.ts'
import { MalformedError, UusError } from '../../lib/errors.ts'
import { listMembers, type TarPlace } from '../../lib/tar-file.ts'
import type { WantedPart } from '../slave/lacking.ts'
import type { ManifestAnswer } from '../slave/link.ts'
import type { SyncOrigin } from '../slave/synchronizer.ts'
import {
  type BundleHead,
  digestOf,
  documentName,
  headName,
  manifestName,
  parseHead,
  parseRangeName,
} from './bundle.ts'

const maxMemberBytes = 64 << 20
const chunkBytes = 1 << 20

export class Bundle implements SyncOrigin, AsyncDisposable {
  readonly head: BundleHead
  readonly #path: string
  readonly #file: FileHandle
  readonly #members: ReadonlyMap<string, TarPlace>
  /** Of each generated file, by start. */
  readonly #ranges = new Map<string, { start: number; end: number; place: TarPlace }[]>()

  private constructor(path: string, file: FileHandle, members: readonly TarPlace[], head: BundleHead) {
    this.#path = path
    this.#file = file
    this.#members = new Map(members.map((member) => [member.name, member]))
    this.head = head
    for (const place of members) {
      const range = parseRangeName(place.name)
      if (range === null || range.end - range.start !== place.sizeBytes) continue
      const { file: name, start, end } = range
      this.#ranges.set(name, [...(this.#ranges.get(name) ?? []), { start, end, place }])
    }
  }

  /** MALFORMED for what is no bundle, or not a whole one. */
  static async open(path: string): Promise<Bundle> {
    const file = await openFile(path)
    try {
      const { members, hasEnd } = await listMembers(file)
      const [first] = members
      if (first?.name !== headName || first.sizeBytes > maxMemberBytes)
        throw new MalformedError(path, 'it is no bundle', { hint: 'Make one: uus snapshot export' })
      if (!hasEnd) throw new MalformedError(path, 'its end is missing', { hint: 'Copy it again, as a whole' })
      const head = Buffer.alloc(first.sizeBytes)
      await file.read(head, 0, head.length, first.start)
      return new Bundle(path, file, members, parseHead(head, path))
    } catch (error) {
      await file.close()
      throw error
    }
  }

  /** The package files in it, by the digests that they should have. */
  get packages(): { readonly sha256: Sha256; readonly place: TarPlace }[] {
    return [...this.#members.values()].flatMap((place) => {
      const sha256 = digestOf(place.name, 'packages')
      return sha256 === null ? [] : { sha256: sha256 as Sha256, place }
    })
  }

  async manifest(): Promise<ManifestAnswer> {
    return { type: 'manifest', bytes: await this.#member(manifestName) }
  }

  document(digest: Sha256): Promise<Buffer> {
    return this.#member(documentName(digest))
  }

  async part({ file, blocks }: WantedPart): Promise<Buffer> {
    const pieces: Buffer[] = []
    for (const { start, end } of blocks) pieces.push(await this.#range(file, start, end))
    return Buffer.concat(pieces)
  }

  async *whole({ file, fileBytes }: WantedPart): AsyncGenerator<Buffer> {
    for (let at = 0; at < fileBytes; at += chunkBytes)
      yield await this.#range(file, at, Math.min(fileBytes, at + chunkBytes))
  }

  async *read({ start, sizeBytes }: TarPlace): AsyncGenerator<Buffer> {
    for (let at = 0; at < sizeBytes; at += chunkBytes)
      yield await this.#bytes(start + at, Math.min(chunkBytes, sizeBytes - at))
  }

  async #member(name: string): Promise<Buffer> {
    const place = this.#members.get(name)
    if (place === undefined || place.sizeBytes > maxMemberBytes) throw this.#lacks(name)
    return this.#bytes(place.start, place.sizeBytes)
  }

  async #range(file: string, start: number, end: number): Promise<Buffer> {
    const found = this.#ranges.get(file)?.find((one) => one.start <= start && end <= one.end)
    if (found === undefined) throw this.#lacks('blocks of an index')
    return this.#bytes(found.place.start + start - found.start, end - start)
  }

  async #bytes(start: number, sizeBytes: number): Promise<Buffer> {
    const bytes = Buffer.alloc(sizeBytes)
    const { bytesRead } = await this.#file.read(bytes, 0, sizeBytes, start)
    if (bytesRead !== sizeBytes) throw new MalformedError(this.#path, 'its end is missing')
    return bytes
  }

  #lacks(what: string): UusError {
    const { since } = this.head
    const why =
      since === null
        ? `${this.#path} lacks ${what}`
        : `${this.#path} has only what is new since snapshot ${since}, which this slave does not have whole`
    return new UusError('USAGE', why, {
      hint: 'Export again, with --since naming a snapshot that is here ("uus snapshot list"), or without it',
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close()
  }
}

async function openFile(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'r')
  } catch (error) {
    throw new UusError('USAGE', `Cannot read ${path}: ${(error as Error).message}`, {
      cause: error,
      hint: 'Name a file that the server may read',
    })
  }
}

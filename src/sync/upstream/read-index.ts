// Reading a fetched index into records: unpacked within the signed size, checked against the signed digest, stored in
// small transactions. Runs in the jobs process.
import { createHash } from 'node:crypto'
import { CommandsReader, ComponentsReader, TranslationReader } from '../../debian/entries.ts'
import { indexPath } from '../../debian/index-kinds.ts'
import { PackagesReader } from '../../debian/packages.ts'
import { SourcesReader } from '../../debian/sources.ts'
import type { IndexReader } from '../../debian/stanza-reader.ts'
import type { Sha256 } from '../../lib/digest.ts'
import { Hasher } from '../../lib/digest.ts'
import { UusError } from '../../lib/errors.ts'
import { type Compression, decompress } from '../../lib/gzip.ts'
import { unxz } from '../../lib/xz.ts'
import type { Blobs } from '../../store/blobs.ts'
import {
  entryRecord,
  type NewRecord,
  packageRecord,
  type RecordKind,
  sourceRecord,
} from '../../store/records.ts'
import type { Store } from '../../store/store.ts'
import type { WantedIndex } from './wanted.ts'

/** A fetched index and what it is. */
export interface IndexInput {
  /** `archive/suite`, for messages. */
  readonly where: string
  readonly wanted: WantedIndex
  readonly fetched: { readonly compression: Compression; readonly blob: Sha256 } | null
  /** Of a flat archive: only stanzas of these architectures count. */
  readonly onlyArchitectures: ReadonlySet<string> | null
}

const batch = 16_384

/** The ids of the index's records, stored already: what no view refers to does no harm. */
export async function readRecords(store: Store, incoming: Blobs, input: IndexInput): Promise<number[]> {
  const what = describe(input)
  const { kind } = input.wanted
  if (kind === 'icons' || kind === 'contents') throw new Error(`Internal error: ${kind} has no records`)
  const reader = recordReader(kind, what)
  const isTaken = ({ architecture }: NewRecord) => input.onlyArchitectures?.has(architecture) ?? true
  const ids = new Set<number>()
  const put = (records: NewRecord[]) => {
    const taken = kind === 'packages' ? records.filter(isTaken) : records
    for (let at = 0; at < taken.length; at += batch) {
      const some = taken.slice(at, at + batch)
      for (const id of store.db.write((tx) => store.records.put(tx, some), { preliminary: true })) ids.add(id)
    }
  }
  await unpack(incoming, input, (chunk) => put(reader.push(chunk)))
  put(reader.end())
  return [...ids]
}

/** Checks an index that is taken over as it is; the SHA-256 of its unpacked form. */
export async function checkWhole(incoming: Blobs, input: IndexInput): Promise<Sha256> {
  const hasher = new Hasher()
  await unpack(incoming, input, (chunk) => void hasher.update(chunk))
  return hasher.digest()
}

/** MALFORMED, INDEX_BOMB, UPSTREAM_WRONG_BYTES. */
async function unpack(incoming: Blobs, input: IndexInput, take: (chunk: Buffer) => void): Promise<void> {
  const what = describe(input)
  const [algorithm, digest] = input.wanted.plainDigest.split(':') as [string, string]
  const hash = createHash(algorithm)
  for await (const chunk of gather(openIndex(incoming, input, what))) {
    hash.update(chunk)
    take(chunk)
  }
  if (hash.digest('hex') === digest) return
  throw new UusError('UPSTREAM_WRONG_BYTES', `${what} does not unpack to what is signed`, {
    hint: 'Nothing was adopted; try another mirror',
  })
}

function describe({ where, wanted }: IndexInput): string {
  return `${indexPath(wanted)} of ${where}`
}

async function* openIndex(
  incoming: Blobs,
  { wanted, fetched }: IndexInput,
  what: string,
): AsyncGenerator<Buffer> {
  if (wanted.plainBytes === 0) return
  const blob = fetched === null ? null : await incoming.open(fetched.blob)
  if (fetched === null || blob === null) throw new Error(`Internal error: ${what} was not fetched`)
  if (fetched.compression === 'xz') {
    await using file = blob
    yield* unxz(await file.read(0, file.sizeBytes), wanted.plainBytes, what)
  } else {
    yield* decompress(blob.stream(0, blob.sizeBytes, 1 << 20), fetched.compression, wanted.plainBytes, what)
  }
}

/** Chunks of some megabytes, so that each transaction stores a good number of stanzas. */
async function* gather(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of source) {
    chunks.push(chunk)
    bytes += chunk.length
    if (bytes >= 2 << 20) {
      yield chunks.length === 1 ? chunk : Buffer.concat(chunks, bytes)
      chunks = []
      bytes = 0
    }
  }
  if (bytes > 0) yield Buffer.concat(chunks, bytes)
}

function recordReader(kind: RecordKind, what: string): IndexReader<NewRecord> {
  switch (kind) {
    case 'packages':
      return mapReader(new PackagesReader(what), packageRecord)
    case 'sources':
      return mapReader(new SourcesReader(what), sourceRecord)
    case 'translations':
      return mapReader(new TranslationReader(what), (entry) => entryRecord(kind, entry))
    case 'commands':
      return mapReader(new CommandsReader(what), (entry) => entryRecord(kind, entry))
    case 'components':
      return mapReader(new ComponentsReader(what), (entry) => entryRecord(kind, entry))
  }
}

function mapReader<T>(reader: IndexReader<T>, toRecord: (entry: T) => NewRecord): IndexReader<NewRecord> {
  return {
    push: (chunk) => reader.push(chunk).map(toRecord),
    end: () => reader.end().map(toRecord),
  }
}

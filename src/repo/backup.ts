// A backup: what cannot be made again. The catalogue as it is at one moment, the private keys, the configuration and
// the keyrings it names, packages of local archives. Generated files follow from the catalogue, other packages from
// their archives.
import { createReadStream, createWriteStream } from 'node:fs'
import { open, readFile, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { UusError } from '../lib/errors.ts'
import { TarWriter } from '../lib/tar.ts'
import type { Actor } from '../store/audit.ts'
import type { Repo } from './repo.ts'

export interface BackupOrder {
  /** An absolute path. */
  readonly file: string
  readonly version: string
  readonly configFile: string
  readonly keyringFiles: readonly string[]
  readonly actor: Actor
}

export interface BackupMade {
  readonly sizeBytes: number
  readonly keys: number
  readonly packages: number
  /** What the configuration names and could not be read. */
  readonly missing: readonly string[]
}

/** The first entry of a backup. */
export interface BackupHead {
  readonly format: 1
  readonly version: string
  /** ISO 8601. */
  readonly madeAt: string
}

/** Writes a backup while everything goes on. It appears under its name when it is whole and durable. */
export async function backUp(repo: Repo, order: BackupOrder): Promise<BackupMade> {
  const temporary = join(dirname(order.file), `.${basename(order.file)}.${process.pid}.tmp`)
  const catalogue = `${temporary}.db`
  try {
    await refuseExisting(order.file)
    await repo.store.db.backUp(catalogue)
    const made = await write(repo, order, temporary, catalogue)
    await makeDurable(temporary)
    await rename(temporary, order.file)
    await makeDurable(dirname(order.file))
    record(repo, order)
    return { ...made, sizeBytes: (await stat(order.file)).size }
  } catch (error) {
    if (error instanceof UusError) throw error
    throw new UusError('DATA_UNUSABLE', `Cannot write ${order.file}: ${(error as Error).message}`, {
      cause: error,
      hint: 'Name a file that the server may write, on a disk with room for the catalogue twice',
    })
  } finally {
    for (const path of [temporary, catalogue, `${catalogue}-journal`]) await rm(path, { force: true })
  }
}

async function refuseExisting(file: string): Promise<void> {
  const exists = await stat(file).catch(() => null)
  if (exists === null) return
  throw new UusError('USAGE', `${file} is there already`, { hint: 'Name a new file' })
}

async function write(repo: Repo, order: BackupOrder, path: string, catalogue: string) {
  // It has the private keys in it.
  const tar = new TarWriter(createWriteStream(path, { mode: 0o600 }), repo.clock.now())
  const head: BackupHead = {
    format: 1,
    version: order.version,
    madeAt: new Date(repo.clock.now()).toISOString(),
  }
  await tar.addBytes('backup.json', Buffer.from(`${JSON.stringify(head, null, 2)}\n`))
  await addFile(tar, 'catalogue.db', catalogue)
  const missing: string[] = []
  let keys = 0
  for (const { name, bytes } of await repo.keys.privateFiles()) {
    await tar.addBytes(`keys/${name}`, bytes)
    keys++
  }
  for (const [name, file] of [
    ['config.yaml', order.configFile],
    ...order.keyringFiles.map((one) => [`keyrings${one}`, one] as const),
  ] as const) {
    const bytes = await readFile(file).catch(() => null)
    if (bytes === null) missing.push(file)
    else await tar.addBytes(name, bytes)
  }
  let packages = 0
  for (const sha256 of repo.store.localPackages.files()) {
    const opened = await repo.packages.open(sha256)
    if (opened === null) {
      missing.push(`package file ${sha256}`)
      continue
    }
    await using blob = opened
    const { sizeBytes } = blob
    await tar.add({ name: `packages/${sha256}`, sizeBytes, chunks: blob.stream(0, sizeBytes) })
    packages++
  }
  await tar.end()
  return { keys, packages, missing }
}

async function addFile(tar: TarWriter, name: string, path: string): Promise<void> {
  const { size } = await stat(path)
  await tar.add({ name, sizeBytes: size, chunks: createReadStream(path, { highWaterMark: 1 << 20 }) })
}

async function makeDurable(path: string): Promise<void> {
  await using handle = await open(path, 'r')
  await handle.sync()
}

function record({ store, clock }: Repo, { file, actor }: BackupOrder): void {
  store.db.write((tx) =>
    store.audit.append(tx, {
      at: clock.now(),
      actor,
      action: 'backup',
      subject: file,
      reason: null,
      details: {},
    }),
  )
}

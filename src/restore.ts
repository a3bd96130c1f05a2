// `uus restore`: a data directory from a backup. Local: no server may run on the directory.
import { createReadStream, createWriteStream, existsSync } from 'node:fs'
import { mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Restored } from './cli/local.ts'
import { type Config, parseConfig } from './config/config.ts'
import { dataPaths, makeDataFolder, openJobs } from './jobs.ts'
import { systemClock } from './lib/clock.ts'
import { asSha256 } from './lib/digest.ts'
import { RealDisk, writeFileDurable } from './lib/disk.ts'
import { MalformedError, UusError } from './lib/errors.ts'
import { readTar, type TarEntry } from './lib/tar.ts'
import type { BackupHead } from './repo/backup.ts'
import { checkGenerated, settleSuspects } from './repo/fsck.ts'
import { renewEnvelopes } from './repo/renew.ts'
import type { Actor } from './store/audit.ts'
import { FileBlobs } from './store/file-blobs.ts'
import { takeLock } from './store/lock.ts'
import { Store } from './store/store.ts'

const bufferBytes = 64 << 20

/** Fills an empty data directory; `configPath` is where the configuration is, or goes if there is none. */
export async function restore(file: string, configPath: string, actor: Actor): Promise<Restored> {
  const config = await findConfig(file, configPath)
  const paths = dataPaths(config.dataFolder)
  makeDataFolder(config.dataFolder)
  using _lock = takeLock(paths.lock, 'uus restore', 0)
  if (existsSync(paths.catalogue)) {
    throw new UusError('USAGE', `${config.dataFolder} has a catalogue already`, {
      hint: 'Move the data directory away first: nothing is ever overwritten',
    })
  }
  const incoming = join(config.dataFolder, 'restoring.db')
  try {
    const { isNewConfig, ...unpacked } = await unpack(file, config, configPath, incoming)
    await settleCatalogue(incoming, unpacked.head, actor)
    await rename(incoming, paths.catalogue)
    await publishAgain(config, actor)
    const { madeAt } = unpacked.head
    const missing = config.archives
      .flatMap((archive) => archive.keyringFiles)
      .filter((path) => !existsSync(path))
    const { keys, packages } = unpacked
    return { dataFolder: config.dataFolder, madeAt, isNewConfig, keys, packages, missing }
  } finally {
    for (const end of ['', '-wal', '-shm', '-journal']) await rm(`${incoming}${end}`, { force: true })
  }
}

/** The configuration that is here, else the one in the backup. */
async function findConfig(file: string, configPath: string): Promise<Config> {
  if (existsSync(configPath)) return parseConfig(await readText(configPath), configPath)
  for await (const entry of openBackup(file))
    if (entry.name === 'config.yaml') return parseConfig((await readAll(entry)).toString(), configPath)
  throw new UusError('USAGE', `There is no ${configPath}, and the backup has no configuration either`, {
    hint: 'Write one first: "data" says where to restore to',
  })
}

async function readText(path: string): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of createReadStream(path)) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}

async function* openBackup(file: string): AsyncGenerator<TarEntry> {
  if (!existsSync(file)) throw new UusError('USAGE', `There is no file ${file}`, { hint: 'Check the path' })
  yield* readTar(createReadStream(file, { highWaterMark: 1 << 20 }), file)
}

async function readAll({ name, sizeBytes, chunks }: TarEntry): Promise<Buffer> {
  if (sizeBytes > bufferBytes) throw new MalformedError(name, 'it is too large for what it should be')
  const parts: Buffer[] = []
  for await (const chunk of chunks) parts.push(chunk)
  return Buffer.concat(parts)
}

async function unpack(file: string, config: Config, configPath: string, catalogue: string) {
  const paths = dataPaths(config.dataFolder)
  const disk = new RealDisk()
  const packages = new FileBlobs(paths.pool, disk)
  await packages.prepare()
  await mkdir(paths.keys, { recursive: true, mode: 0o700 })
  let head: BackupHead | null = null
  const found = { isNewConfig: false, keys: 0, packages: 0 }
  for await (const entry of openBackup(file)) {
    const { name } = entry
    if (head === null) {
      head = await readHead(entry, file)
      continue
    }
    const key = /^keys\/([0-9A-F]{40}\.key)$/.exec(name)?.[1]
    const digest = asSha256(/^packages\/([0-9a-f]{64})$/.exec(name)?.[1] ?? '')
    if (name === 'catalogue.db') await pipeline(Readable.from(entry.chunks), createWriteStream(catalogue))
    else if (key !== undefined) {
      await writeFileDurable(disk, join(paths.keys, key), (await readAll(entry)).toString(), 0o600)
      found.keys++
    } else if (digest !== null) {
      const writer = await packages.create()
      for await (const chunk of entry.chunks) await writer.write(chunk)
      if ((await writer.commit()).sha256 !== digest) throw new MalformedError(file, `${name} is damaged`)
      found.packages++
    } else if (name === 'config.yaml' && !existsSync(configPath)) {
      await mkdir(dirname(configPath), { recursive: true })
      await writeFile(configPath, await readAll(entry))
      found.isNewConfig = true
    } else if (name.startsWith('keyrings/')) await restoreKeyring(entry, config)
  }
  if (head === null || !existsSync(catalogue)) throw new MalformedError(file, 'it has no catalogue')
  return { head, ...found }
}

async function readHead(entry: TarEntry, file: string): Promise<BackupHead> {
  if (entry.name !== 'backup.json') throw new MalformedError(file, 'it is no backup of UUS')
  const head = JSON.parse((await readAll(entry)).toString()) as BackupHead
  if (head.format === 1) return head
  throw new UusError('DATA_TOO_NEW', `${file} was made by UUS ${head.version}, in a newer form`, {
    hint: 'Restore it with that version',
  })
}

/** Those that lie in the data directory; what the system's packages bring is left to them. */
async function restoreKeyring(entry: TarEntry, config: Config): Promise<void> {
  const path = entry.name.slice('keyrings'.length)
  const isNamed = config.archives.some((archive) => archive.keyringFiles.includes(path))
  if (!isNamed || !path.startsWith(`${config.dataFolder}/`) || existsSync(path)) return
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, await readAll(entry))
}

/** Says that no generated file is here: those of present and pinned snapshots are made again, the others are gone. */
async function settleCatalogue(path: string, head: BackupHead, actor: Actor): Promise<void> {
  using store = Store.openWriter(path, new RealDisk())
  const problems = store.db.check()
  if (problems.length > 0) throw new MalformedError('catalogue.db', problems[0]!)
  const at = systemClock.now()
  store.db.write((tx) => {
    store.garbage.forgetPacks(tx)
    for (const channel of store.channels.list()) {
      const newest = store.channels.head(channel.id)?.revision
      for (const { revision, keptAt, collectedAt } of store.channels.snapshots(channel.id)) {
        if (revision !== newest && keptAt === null && collectedAt === null)
          store.channels.setCollected(tx, revision, at)
      }
    }
    store.audit.append(tx, {
      at,
      actor,
      action: 'restore',
      subject: 'data directory',
      reason: null,
      details: { madeAt: head.madeAt, version: head.version },
    })
  })
}

/** Opening makes what is shown at present; pinned snapshots follow. New dates, later than any a client has seen. */
async function publishAgain(config: Config, actor: Actor): Promise<void> {
  using jobs = await openJobs(config, new RealDisk(), systemClock, actor)
  const { suspects } = await checkGenerated(jobs.repo)
  await settleSuspects(jobs.repo, suspects, true)
  await renewEnvelopes(jobs.repo, 0)
}

// `uus doctor`: what is wrong with this installation, and how to mend it. Local: it looks at everything itself, and works
// where nothing else does.
import { accessSync, constants, existsSync, readFileSync, statSync } from 'node:fs'
import { statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { callServer } from './actions/socket.ts'
import type { Diagnosis } from './cli/local.ts'
import { type Config, parseConfig } from './config/config.ts'
import type { MasterConfig } from './config/tiers.ts'
import { dataPaths, system } from './jobs.ts'
import { type Clock, systemClock } from './lib/clock.ts'
import { UusError } from './lib/errors.ts'
import { formatIso, formatSize } from './lib/units.ts'
import { datesAhead, isNothingAhead } from './repo/reset-dates.ts'
import { Store } from './store/store.ts'
import { Gpgv } from './trust/gpgv.ts'
import { readKeyring } from './trust/keyring.ts'

const fine = (what: string): Diagnosis => ({ level: 'fine', what, hint: null })
const warning = (what: string, hint: string): Diagnosis => ({ level: 'warning', what, hint })
const problem = (what: string, hint: string): Diagnosis => ({ level: 'problem', what, hint })

function problemOf(error: unknown): Diagnosis {
  const { message, details, hint } = UusError.from(error)
  return problem([message, ...details].join('; '), hint ?? 'See the log')
}

/** Looks at everything that does not need a network. Changes nothing. */
export async function examine(configPath: string, clock: Clock = systemClock): Promise<Diagnosis[]> {
  const found: Diagnosis[] = []
  let config: Config
  try {
    config = parseConfig(readFileSync(configPath, 'utf8'), configPath)
    found.push(fine(`The configuration ${configPath} is valid`))
  } catch (error) {
    const isMissing = !existsSync(configPath)
    return [
      isMissing
        ? problem(`There is no configuration at ${configPath}`, 'Make one: uus init --from-apt')
        : problemOf(error),
    ]
  }
  found.push(...examineFolder(config))
  found.push(...(await examineDisk(config)))
  found.push(...(await examineKeyrings(config)))
  found.push(await examineGpgv())
  found.push(await examineServer(config))
  if (config.baseUrl === null) {
    const hint = 'Set "base-url" to the address that clients use'
    found.push(warning('Clients are told an address that is guessed, and no snapshots', hint))
  }
  found.push(...examineCatalogue(config, clock))
  return found
}

function examineFolder({ dataFolder }: Config): Diagnosis[] {
  try {
    accessSync(dataFolder, constants.R_OK | constants.W_OK | constants.X_OK)
    return [fine(`The data directory ${dataFolder} can be written`)]
  } catch (error) {
    const why = existsSync(dataFolder) ? 'cannot be written' : 'is not there'
    const hint = 'Run as the user that the server runs as, or make it: uus init'
    return [problem(`The data directory ${dataFolder} ${why} (${(error as Error).message})`, hint)]
  }
}

async function examineDisk({ dataFolder, cache }: Config): Promise<Diagnosis[]> {
  if (!existsSync(dataFolder)) return []
  const { bavail, bsize } = await statfs(dataFolder)
  const freeBytes = bavail * bsize
  if (freeBytes > 2 * cache.minFreeBytes) return [fine(`${formatSize(freeBytes)} of the disk are free`)]
  const what = `Only ${formatSize(freeBytes)} of the disk are free`
  const hint = 'Free some space, lower "cache.max-size", or move "data" to a larger disk'
  return [freeBytes > cache.minFreeBytes ? warning(what, hint) : problem(what, hint)]
}

async function examineKeyrings({ archives }: Config): Promise<Diagnosis[]> {
  const found: Diagnosis[] = []
  for (const { name, local, keyringFiles, keyFingerprints } of archives) {
    if (local !== null && keyringFiles.length === 0) {
      found.push(fine(`Archive ${name}: nobody may upload signed .changes`))
      continue
    }
    try {
      const files = keyringFiles.map((path) => ({ path, bytes: readFileSync(path) }))
      const { keys } = await readKeyring(files, keyFingerprints)
      found.push(fine(`Archive ${name}: ${keys.length} trusted key${keys.length === 1 ? '' : 's'}`))
    } catch (error) {
      const hint =
        'Install the package that brings the keyring, or mend "signed-by" (of a local archive "keyring")'
      found.push(problem(`Archive ${name}: ${(error as Error).message}`, hint))
    }
  }
  return found
}

async function examineGpgv(): Promise<Diagnosis> {
  const nothing = Buffer.alloc(0)
  using gpgv = new Gpgv()
  const { outcome } = await gpgv.verify(nothing, nothing)
  if (outcome !== 'none') return fine('gpgv checks what is signed here')
  return warning('There is no gpgv: nobody else checks what is signed here', 'Install the package gpgv')
}

async function examineServer({ dataFolder }: Config): Promise<Diagnosis> {
  try {
    const answer = await callServer(dataPaths(dataFolder).socket, 'channel list', {}, system, () => {})
    return answer === null ? fine('No server runs on the data directory') : fine('The server answers')
  } catch (error) {
    return problem(`The server does not answer: ${UusError.from(error).message}`, 'Look at its log')
  }
}

function examineCatalogue(config: Config, clock: Clock): Diagnosis[] {
  const paths = dataPaths(config.dataFolder)
  if (!existsSync(paths.catalogue))
    return [warning('Nothing was adopted yet: there is no catalogue', 'Run: uus serve (or uus update)')]
  try {
    using store = Store.openReader(paths.catalogue)
    const broken = store.db.check()
    if (broken.length > 0) return [problem(`The catalogue is damaged: ${broken[0]}`, 'Restore a backup')]
    return [
      fine('The catalogue is whole'),
      ...(config.master === null ? examineKeys(store, paths.keys) : examineToken(config.master)),
      ...examineTimes(store, clock),
      ...store.alarms.list().map(({ message, hint }) => problem(message, hint ?? 'See "uus status"')),
    ]
  } catch (error) {
    return [problemOf(error)]
  }
}

function examineKeys(store: Store, folder: string): Diagnosis[] {
  const channels = store.channels.list().filter((channel) => channel.parentId !== null)
  return channels.flatMap((channel) => {
    const keys = store.keys.list(channel.id).filter((key) => key.role !== 'retired')
    const found = keys.flatMap(({ fingerprint, role }) => {
      const path = join(folder, `${fingerprint}.key`)
      if (!existsSync(path))
        return problem(`Channel ${channel.name}: its ${role} key is gone: ${path}`, 'Restore a backup')
      if ((statSync(path).mode & 0o077) !== 0)
        return problem(`Others can read the private key ${path}`, `Run: chmod 600 ${path}`)
      return []
    })
    return found.length > 0 ? found : [fine(`Channel ${channel.name} has its signing keys`)]
  })
}

/** A slave has no keys, but a token. */
function examineToken({ tokenFile, url }: MasterConfig): Diagnosis[] {
  try {
    accessSync(tokenFile, constants.R_OK)
  } catch (error) {
    const hint = 'Have another made with "uus slave add" on the master, and put it into that file'
    return [problem(`The token for the master cannot be read: ${(error as Error).message}`, hint)]
  }
  if ((statSync(tokenFile).mode & 0o077) !== 0)
    return [problem(`Others can read the token ${tokenFile}`, `Run: chmod 600 ${tokenFile}`)]
  return [fine(`It has its token for the master, ${url}`)]
}

function examineTimes(store: Store, clock: Clock): Diagnosis[] {
  const ahead = datesAhead({ store, clock })
  const now = formatIso(clock.now())
  if (!isNothingAhead(ahead)) {
    const count = ahead.releases + ahead.snapshots.length + ahead.keys.length
    const what = `${count} signed files, snapshots and keys are dated later than this host's clock, which says ${now}`
    const hint = 'Set the clock. If it is right now and was wrong then: uus doctor --reset-date --reason "…"'
    return [problem(what, hint)]
  }
  const upstream = Math.max(0, ...store.archives.suites().map((suite) => suite.adopted?.date ?? 0))
  if (upstream > clock.now() + 60_000) {
    const what = `An archive's Release is of ${formatIso(upstream)}, but this host's clock says ${now}`
    return [problem(what, 'Set the clock (timedatectl)')]
  }
  return [fine('The clock fits what was published')]
}

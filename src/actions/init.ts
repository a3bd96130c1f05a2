// `uus init`: everything that a server needs before it runs. Local: it never talks to a server.
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, isAbsolute, join, relative, resolve } from 'node:path'
import { type Config, parseConfig } from '../config/config.ts'
import {
  type DraftArchive,
  type DraftSettings,
  draftArchives,
  type HostFacts,
  renderConfig,
} from '../config/from-apt.ts'
import { type AptSource, parseSourcesFile } from '../debian/sources-list.ts'
import { type Disk, writeFileDurable } from '../lib/disk.ts'
import { systemCode, UusError } from '../lib/errors.ts'
import { checkSlaveOrder, renderSlaveConfig, type SlaveOrder, writeToken } from './init-slave.ts'

export interface InitOrder {
  readonly configPath: string
  /** The folder of apt's configuration to read; null: write the example. */
  readonly aptFolder: string | null
  readonly data: string | null
  readonly listen: string | null
  readonly baseUrl: string | null
  /** Make a slave; null: a master. */
  readonly slave: SlaveOrder | null
  /** The example that is written where there are no apt sources. */
  readonly examplePath: string
}

export interface InitResult {
  readonly config: Config
  readonly configText: string
  readonly isNewConfig: boolean
  /** Sources that were left out, and lines that could not be read. */
  readonly notes: readonly string[]
}

/** Writes the configuration if there is none. The catalogue and the keys are made by whoever opens them next. */
export async function initConfig(order: InitOrder, disk: Disk): Promise<InitResult> {
  const { slave } = order
  const hasConfig = existsSync(order.configPath)
  if (slave !== null) checkSlaveOrder(slave, hasConfig)
  if (hasConfig) {
    const kept = keepConfig(order)
    if (slave !== null) await giveToken(kept.config, slave, disk)
    return kept
  }
  const { text, notes, keys } =
    slave !== null
      ? slaveConfig(order, slave)
      : order.aptFolder === null
        ? exampleConfig(order)
        : configFromApt(order, order.aptFolder)
  const config = parseConfig(text, order.configPath)
  for (const [path, armored] of keys) {
    await disk.makeFolder(dirname(path))
    await writeFileDurable(disk, path, armored)
  }
  await disk.makeFolder(dirname(order.configPath))
  if (slave !== null) await giveToken(config, slave, disk)
  await writeFileDurable(disk, order.configPath, text)
  return { config, configText: text, isNewConfig: true, notes }
}

async function giveToken({ path, dataFolder, master }: Config, slave: SlaveOrder, disk: Disk): Promise<void> {
  if (master === null || master.url !== slave.url.replace(/\/+$/, '')) {
    throw new UusError('USAGE', `${path} exists, and makes no slave of ${slave.url}`, {
      hint: 'Edit the file, or name another with --config',
    })
  }
  await disk.makeFolder(dataFolder)
  await writeToken(master.tokenFile, slave.token, disk)
}

function slaveConfig(order: InitOrder, slave: SlaveOrder): NewConfig {
  const text = renderSlaveConfig(slave, {
    data: relativeTo(order, order.data ?? '/var/lib/uus'),
    listen: order.listen ?? '0.0.0.0:8080',
    baseUrl: order.baseUrl,
  })
  return { text, notes: [], keys: new Map() }
}

function keepConfig(order: InitOrder): InitResult {
  const text = readFileSync(order.configPath, 'utf8')
  const config = parseConfig(text, order.configPath)
  if (order.data !== null && resolve(order.data) !== config.dataFolder) {
    throw new UusError('USAGE', `${order.configPath} exists and says data: ${config.dataFolder}`, {
      hint: 'Leave --data away, or edit the file',
    })
  }
  return { config, configText: text, isNewConfig: false, notes: [] }
}

interface NewConfig {
  readonly text: string
  readonly notes: readonly string[]
  /** Embedded keys, by the file they go to. */
  readonly keys: ReadonlyMap<string, string>
}

function exampleConfig(order: InitOrder): NewConfig {
  const set = (text: string, name: string, value: string | null) =>
    value === null ? text : text.replace(new RegExp(`^${name}: .*$`, 'm'), `${name}: ${value}`)
  let text = readFileSync(order.examplePath, 'utf8')
  text = set(text, 'data', order.data === null ? null : relativeTo(order, order.data))
  text = set(text, 'listen', order.listen)
  text = order.baseUrl === null ? text.replace(/^base-url: .*\n/m, '') : set(text, 'base-url', order.baseUrl)
  return { text, notes: [], keys: new Map() }
}

function configFromApt(order: InitOrder, aptFolder: string): NewConfig {
  const { sources, notes } = readAptSources(aptFolder)
  const data = order.data ?? '/var/lib/uus'
  const keyFile = (archive: string) => join(resolve(data), 'keyrings', `${archive}.asc`)
  const draft = draftArchives(sources, hostFacts(aptFolder, order.baseUrl), keyFile)
  const settings = {
    data: relativeTo(order, data),
    listen: order.listen ?? '0.0.0.0:8080',
    baseUrl: order.baseUrl,
  }
  const problems = draft.archives.map((archive) => problemOf(archive, settings, order))
  const archives = draft.archives.filter((_, index) => problems[index] === null)
  const all = [...notes, ...draft.skipped, ...problems.filter((problem) => problem !== null)]
  if (archives.length === 0) {
    return {
      ...exampleConfig(order),
      notes: [...all, `${aptFolder} names no usable archive: the example is taken instead`],
    }
  }
  return { text: renderConfig(settings, archives), notes: all, keys: embeddedKeys(archives, keyFile) }
}

/** What keeps an archive out of a configuration, if anything: one odd source must not stop the others. */
function problemOf(archive: DraftArchive, settings: DraftSettings, order: InitOrder): string | null {
  try {
    parseConfig(renderConfig(settings, [archive]), order.configPath)
    return null
  } catch (error) {
    const why = error instanceof UusError ? error.details.map((line) => line.replace(/^line \d+: /, '')) : []
    return `${archive.uris[0]?.uri} is left out: ${why.join('; ')}`
  }
}

function embeddedKeys(
  archives: readonly DraftArchive[],
  keyFile: (archive: string) => string,
): Map<string, string> {
  const keys = new Map<string, string>()
  for (const { name, embeddedKey } of archives) if (embeddedKey !== null) keys.set(keyFile(name), embeddedKey)
  return keys
}

/** Below the configuration's folder a path is written relative to it, so that the two can move together. */
function relativeTo(order: InitOrder, path: string): string {
  if (isAbsolute(path)) return path
  const short = relative(dirname(resolve(order.configPath)), resolve(path))
  return short.startsWith('..') ? resolve(path) : `./${short}`
}

/** apt's own files, in apt's order. */
function readAptSources(folder: string): { sources: AptSource[]; notes: string[] } {
  const parts = listFolder(join(folder, 'sources.list.d'))
    .filter((name) => /^[A-Za-z0-9_.-]+\.(list|sources)$/.test(name))
    .map((name) => join('sources.list.d', name))
  const sources: AptSource[] = []
  const notes: string[] = []
  for (const name of ['sources.list', ...parts]) {
    const path = join(folder, name)
    if (!existsSync(path)) continue
    const parsed = parseSourcesFile(path, readFileSync(path, 'utf8'))
    sources.push(...parsed.sources)
    notes.push(...parsed.problems)
  }
  return { sources, notes }
}

function hostFacts(aptFolder: string, ownBaseUrl: string | null): HostFacts {
  const trusted = listFolder(join(aptFolder, 'trusted.gpg.d'))
    .filter((name) => /\.(gpg|asc)$/.test(name))
    .map((name) => join(aptFolder, 'trusted.gpg.d', name))
  const old = join(aptFolder, 'trusted.gpg')
  return {
    architecture: dpkg('--print-architecture')[0] ?? nodeArchitecture(),
    foreignArchitectures: dpkg('--print-foreign-architectures'),
    codename: /^VERSION_CODENAME="?([a-z]+)"?$/m.exec(readIfThere('/etc/os-release'))?.[1] ?? null,
    trustedKeyrings: existsSync(old) ? [...trusted, old] : trusted,
    ownBaseUrl,
  }
}

function listFolder(path: string): string[] {
  try {
    return readdirSync(path).sort()
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return []
    throw error
  }
}

function readIfThere(path: string): string {
  return existsSync(path) ? readFileSync(path, 'utf8') : ''
}

function dpkg(argument: string): string[] {
  try {
    return execFileSync('dpkg', [argument], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
      .split('\n')
      .filter((line) => line !== '')
  } catch {
    return [] // no dpkg here: not a Debian host
  }
}

function nodeArchitecture(): string {
  const names: Record<string, string> = { x64: 'amd64', arm: 'armhf', ia32: 'i386', ppc64: 'ppc64el' }
  return names[process.arch] ?? process.arch
}

/** Where the configuration is looked for, after the flag. */
export function configPath(flag: string | undefined, environment: NodeJS.ProcessEnv): string {
  const named = flag ?? environment.UUS_CONFIG
  if (named !== undefined && named !== '') return resolve(named)
  const here = resolve('config.yaml')
  return existsSync(here) || !existsSync('/etc/uus/config.yaml') ? here : '/etc/uus/config.yaml'
}

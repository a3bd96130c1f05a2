// Upstreams for the benchmark: one full suite, real or made, behind a web server on loopback.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
import { formatReleaseDate } from '../src/debian/date.ts'
import { parseSourcesFile } from '../src/debian/sources-list.ts'
import { hasProgram } from './measure.ts'

/** nginx as upstream: what it costs is the same for everybody, and little. */
export class WebServer implements AsyncDisposable {
  readonly root: string
  readonly url: string
  readonly port: number
  readonly #child: ChildProcess
  readonly #log: string

  private constructor(root: string, port: number, log: string, child: ChildProcess) {
    this.root = root
    this.url = `http://127.0.0.1:${port}`
    this.port = port
    this.#log = log
    this.#child = child
  }

  static async start(folder: string): Promise<WebServer> {
    if (!hasProgram('nginx')) throw new Error('the benchmark needs nginx: apt-get install nginx-light')
    const root = join(folder, 'www')
    mkdirSync(root, { recursive: true })
    const port = await freePort()
    const config = join(folder, 'nginx.conf')
    const log = join(folder, 'upstream.log')
    writeFileSync(
      config,
      `${process.getuid?.() === 0 ? 'user root; ' : ''}daemon off; pid ${folder}/nginx.pid; error_log ${folder}/nginx.log; worker_processes 1;
events {}
http { log_format short '$request_method $uri $status $body_bytes_sent "$http_range"'; access_log ${log} short; client_body_temp_path ${folder}/tmp; proxy_temp_path ${folder}/tmp; fastcgi_temp_path ${folder}/tmp;
uwsgi_temp_path ${folder}/tmp; scgi_temp_path ${folder}/tmp; sendfile on;
server { listen 127.0.0.1:${port}; root ${root}; location /slow/ { limit_rate 10m; } } }`,
    )
    const child = spawn('nginx', ['-c', config, '-e', join(folder, 'nginx.log')], { stdio: 'ignore' })
    const url = `http://127.0.0.1:${port}`
    for (let tries = 0; tries < 50; tries++) {
      if (
        await fetch(url).then(
          () => true,
          () => false,
        )
      )
        return new WebServer(root, port, log, child)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    child.kill()
    throw new Error(`nginx did not start: ${readFileSync(join(folder, 'nginx.log'), 'utf8')}`)
  }

  write(path: string, body: Buffer | string): void {
    const file = join(this.root, path)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, body)
  }

  /** What was asked of it for a path so far: `METHOD path status bytes "range"`. Only finished answers. */
  requestsFor(path: string): string[] {
    return readFileSync(this.#log, 'utf8')
      .split('\n')
      .filter((line) => line.split(' ')[1] === path)
  }

  /** A place in the log, for `answersSince`. */
  logSize(): number {
    return readFileSync(this.#log).length
  }

  /** The body bytes of each answer since. */
  answersSince(logSize: number): number[] {
    const lines = readFileSync(this.#log).subarray(logSize).toString().split('\n')
    return lines.filter((line) => line !== '').map((line) => Number(line.split(' ')[3]))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const exited = new Promise((resolve) => this.#child.once('exit', resolve))
    this.#child.kill()
    await exited
  }
}

/** Below 32768: apt-cacher-ng knows no others, neither for itself nor for upstream. */
export async function freePort(): Promise<number> {
  for (let tries = 0; ; tries++) {
    const free = await tryPort(20_000 + Math.floor(Math.random() * 10_000)).catch(() => null)
    if (free !== null) return free
    if (tries > 100) throw new Error('no free port between 20000 and 30000')
  }
}

function tryPort(wanted: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(wanted, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })
}

export interface Suite {
  /** Below the web server's root. */
  readonly archive: string
  readonly name: string
  readonly component: string
  readonly architecture: string
  readonly keyring: string
  readonly packages: number
  /** Some names, for peers that fetch what they list. */
  readonly names: readonly string[]
}

/** Copies the indexes of this host's own main suite; null where it has none or cannot reach it. */
export async function copyHostSuite(server: WebServer): Promise<Suite | null> {
  const source = hostSource()
  if (source === null) return null
  const name = source.suites[0]!
  const component = source.components[0]!
  const base = `${source.uri.replace(/\/+$/, '')}/dists/${name}`
  const release = await fetchBytes(`${base}/InRelease`)
  if (release === null) return null
  server.write(`real/dists/${name}/InRelease`, release)
  const folder = `${component}/binary-amd64`
  let packages: Buffer = Buffer.alloc(0)
  for (const ending of ['gz', 'xz']) {
    const index = await fetchBytes(`${base}/${folder}/Packages.${ending}`)
    if (index === null) return null
    const hash = createHash('sha256').update(index).digest('hex')
    server.write(`real/dists/${name}/${folder}/Packages.${ending}`, index)
    server.write(`real/dists/${name}/${folder}/by-hash/SHA256/${hash}`, index)
    if (ending === 'gz') packages = index
  }
  const stanzas = gunzipSync(packages)
    .toString('latin1')
    .split('\n\n')
    .filter((one) => one !== '')
  const small = stanzas.filter((one) => /^Size: \d{1,5}$/m.test(one))
  const step = Math.floor(small.length / 20)
  const chosen = Array.from({ length: 20 }, (_, index) => small[index * step]!)
  const field = (stanza: string, field: string) => new RegExp(`^${field}: (.*)$`, 'm').exec(stanza)![1]!
  for (const stanza of chosen) {
    const path = field(stanza, 'Filename')
    const body = await fetchBytes(`${source.uri.replace(/\/+$/, '')}/${path}`)
    if (body !== null) server.write(`real/${path}`, body)
  }
  return {
    archive: 'real',
    name,
    component,
    architecture: 'amd64',
    keyring: source.keyring,
    packages: stanzas.length,
    names: chosen.map((stanza) => field(stanza, 'Package')),
  }
}

/** The text of Packages of this host's own main suite; null where it has none or cannot reach it. */
export async function hostIndex(): Promise<Buffer | null> {
  const source = hostSource()
  if (source === null) return null
  const path = `dists/${source.suites[0]}/${source.components[0]}/binary-amd64/Packages.gz`
  return fetchBytes(`${source.uri.replace(/\/+$/, '')}/${path}`).then(
    (packed) => packed && gunzipSync(packed),
  )
}

function hostSource() {
  for (const path of ['/etc/apt/sources.list.d/debian.sources', '/etc/apt/sources.list.d/ubuntu.sources']) {
    if (!existsSync(path)) continue
    const [source] = parseSourcesFile(path, readFileSync(path, 'utf8')).sources
    const keyring = source?.signedBy.paths[0]
    if (source !== undefined && keyring !== undefined) return { ...source, keyring }
  }
  return null
}

async function fetchBytes(url: string): Promise<Buffer | null> {
  const answer = await fetch(url).catch(() => null)
  return answer?.ok ? Buffer.from(await answer.arrayBuffer()) : null
}

/** A gpg home with one key, of the kind that we sign with, without a passphrase; its public part as a keyring file. */
export interface GpgKey {
  readonly home: string
  readonly keyring: string
  readonly id: string
}

export function makeGpgKey(folder: string): GpgKey {
  const home = join(folder, 'gnupg')
  const keyring = join(folder, 'bench.gpg')
  mkdirSync(home, { recursive: true, mode: 0o700 })
  const gpg = (...arguments_: string[]) => {
    const all = [
      '--homedir',
      home,
      '--batch',
      '--yes',
      '--pinentry-mode',
      'loopback',
      '--passphrase',
      '',
      ...arguments_,
    ]
    const result = spawnSync('gpg', all)
    if (result.status !== 0) throw new Error(result.stderr.toString())
    return result.stdout.toString()
  }
  if (!existsSync(keyring)) gpg('--quick-generate-key', 'bench', 'ed25519', 'sign', 'never')
  const id = /^fpr:+([0-9A-F]{40}):/m.exec(gpg('--with-colons', '--list-keys'))![1]!
  if (!existsSync(keyring)) gpg('--output', keyring, '--export', 'bench')
  return { home, keyring, id }
}

/** Writes an index; the Release that names it. `more`: further lines of it. */
export function writeIndex(
  server: WebServer,
  archive: string,
  name: string,
  packages: Buffer,
  more = '',
  now = Date.now(),
): string {
  const index = gzipSync(packages)
  const folder = 'main/binary-amd64'
  const line = (path: string, data: Buffer) =>
    ` ${createHash('sha256').update(data).digest('hex')} ${data.length} ${path}\n`
  const release = `Origin: Bench
Label: Bench
Suite: ${name}
Codename: ${name}
Date: ${formatReleaseDate(now - 60_000)}
Architectures: amd64
Components: main
${more}SHA256:
${line(`${folder}/Packages`, packages)}${line(`${folder}/Packages.gz`, index)}`
  server.write(`${archive}/dists/${name}/${folder}/Packages.gz`, index)
  return release
}

/** Publishes stanzas as a signed suite. */
export function writeSuite(
  server: WebServer,
  key: GpgKey,
  archive: string,
  name: string,
  packages: Buffer,
): void {
  const path = join(server.root, archive, 'dists', name, 'Release')
  // A web server tells versions apart by the second: one that is replaced at once must still look newer.
  const replaced = existsSync(path) ? statSync(path).mtimeMs : 0
  const now = Math.max(Date.now(), replaced + 1000)
  const release = writeIndex(server, archive, name, packages, '', now)
  writeFileSync(path, release)
  const options = [
    '--homedir',
    key.home,
    '--batch',
    '--yes',
    '--pinentry-mode',
    'loopback',
    '--passphrase',
    '',
  ]
  for (const [option, output] of [
    ['--clearsign', 'InRelease'],
    ['-ab', 'Release.gpg'],
  ] as const) {
    const result = spawnSync('gpg', [...options, option, '--output', join(dirname(path), output), path])
    if (result.status !== 0) throw new Error(result.stderr.toString())
  }
  for (const file of ['Release', 'InRelease', 'Release.gpg'])
    utimesSync(join(dirname(path), file), now / 1000, now / 1000)
}

// Peers that publish a suite of made packages, each in the way its own manual has it for changes: what is known of
// unchanged packages is kept between runs. All sign with the same key, and are asked for the same forms.
import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Deb } from './debs.ts'
import { hasProgram, type Measured, measureCommand } from './measure.ts'
import type { GpgKey } from './upstream.ts'

export type Form = 'gz' | 'xz'

/** Made packages below a folder. */
export interface DebFolder {
  readonly folder: string
  readonly debs: readonly Deb[]
}

/** New versions of some packages, and the ones they replace. */
export interface Change extends DebFolder {
  readonly replaced: readonly Deb[]
}

/** Somebody with a suite that is published already. */
export interface Publisher extends AsyncDisposable {
  /** What it is made to do, and what it does that we do not. */
  readonly note: string
  /** The same where nothing changed, if it is then another thing. */
  readonly noteOnNothing?: string
  /** Takes new versions in. That is not what is measured: ours are adopted from upstream, theirs are added. */
  add(change: Change): Promise<void>
  publish(change: Change): Promise<Measured>
  /** What a client would read. */
  packages(form: Form): Promise<Buffer>
}

export interface Workspace {
  readonly folder: string
  readonly key: GpgKey
  readonly suite: DebFolder
  readonly forms: readonly Form[]
}

export interface Peer {
  readonly name: string
  readonly forms: readonly (readonly Form[])[]
  open(workspace: Workspace): Promise<Publisher>
}

const gz: readonly Form[] = ['gz']
const both: readonly Form[] = ['gz', 'xz']

/** Those that are installed. */
export function peers(): Peer[] {
  const all: Peer[] = [
    { name: 'aptly', forms: [gz], open: openAptly },
    { name: 'reprepro', forms: [gz, both], open: openReprepro },
    { name: 'apt-ftparchive', forms: [gz, both], open: openFtparchive },
  ]
  return all.filter(({ name }) => hasProgram(name))
}

/** So that no command line gets too long. */
function* batches<T>(all: readonly T[], size: number): Generator<readonly T[]> {
  for (let at = 0; at < all.length; at += size) yield all.slice(at, at + size)
}

function fresh(folder: string, name: string): string {
  const path = join(folder, name)
  rmSync(path, { recursive: true, force: true })
  mkdirSync(path, { recursive: true })
  return path
}

export function unpack(packed: Buffer, form: Form): Buffer {
  return execFileSync(form === 'gz' ? 'gzip' : 'xz', ['-dc'], { input: packed, maxBuffer: 1 << 30 })
}

function unpackFile(path: string, form: Form): Buffer {
  return unpack(readFileSync(`${path}.${form}`), form)
}

async function openAptly({ folder, key, suite }: Workspace): Promise<Publisher> {
  const path = fresh(folder, 'aptly-change')
  const config = join(path, 'aptly.conf')
  writeFileSync(config, JSON.stringify({ rootDir: path, gpgProvider: 'gpg2', skipContentsPublishing: true }))
  const env = { GNUPGHOME: key.home }
  const run = (...arguments_: string[]) =>
    measureCommand(['aptly', `-config=${config}`, ...arguments_], { env })
  const flags = ['-batch', `-gpg-key=${key.id}`, '-skip-contents', '-skip-bz2']
  await run('repo', 'create', 'bench')
  await run('repo', 'add', 'bench', suite.folder)
  const first = ['-distribution=bench', '-component=main', '-architectures=amd64', '-acquire-by-hash']
  await run('publish', 'repo', ...flags, ...first, 'bench')
  return {
    note: 'publish update; four hashes of everything',
    async add(change) {
      for (const some of batches(change.replaced, 200))
        await run('repo', 'remove', 'bench', some.map(({ name }) => `Name (= ${name})`).join(' | '))
      if (change.debs.length > 0) await run('repo', 'add', 'bench', change.folder)
    },
    publish: () => run('publish', 'update', ...flags, 'bench'),
    packages: async (form) => unpackFile(join(path, 'public/dists/bench/main/binary-amd64/Packages'), form),
    [Symbol.asyncDispose]: async () => rmSync(path, { recursive: true }),
  }
}

async function openReprepro({ folder, key, suite, forms }: Workspace): Promise<Publisher> {
  const path = fresh(folder, 'reprepro-change')
  mkdirSync(join(path, 'conf'))
  writeFileSync(
    join(path, 'conf', 'distributions'),
    `Codename: bench\nArchitectures: amd64\nComponents: main
DebIndices: Packages Release . ${forms.map((form) => `.${form}`).join(' ')}\nSignWith: ${key.id}\n`,
  )
  const run = (...arguments_: string[]) =>
    measureCommand(['reprepro', '-b', path, '--silent', ...arguments_], { env: { GNUPGHOME: key.home } })
  const include = async (debs: readonly Deb[], pool: string) => {
    for (const some of batches(debs, 4000))
      await run('--export=never', 'includedeb', 'bench', ...some.map((deb) => join(pool, deb.path)))
  }
  await include(suite.debs, suite.folder)
  await run('export', 'bench')
  return {
    note: 'export; no by-hash',
    noteOnNothing: 'export, which nobody needs then',
    add: (change) => include(change.debs, change.folder),
    publish: () => run('export', 'bench'),
    packages: async (form) => unpackFile(join(path, 'dists/bench/main/binary-amd64/Packages'), form),
    [Symbol.asyncDispose]: async () => rmSync(path, { recursive: true }),
  }
}

async function openFtparchive({ folder, key, suite, forms }: Workspace): Promise<Publisher> {
  const path = fresh(folder, 'ftparchive-change')
  const index = 'dists/bench/main/binary-amd64/Packages'
  mkdirSync(join(path, dirname(index)), { recursive: true })
  // Hard links: the suite is everybody's.
  await measureCommand(['cp', '-al', join(suite.folder, 'pool'), join(path, 'pool')])
  const compress = ['.', ...forms.map((form) => (form === 'gz' ? 'gzip' : form))].join(' ')
  writeFileSync(
    join(path, 'generate.conf'),
    `Dir { ArchiveDir "${path}"; CacheDir "${path}"; };
Default { Packages::Compress "${compress}"; };
BinDirectory "pool" { Packages "${index}"; BinCacheDB "packages.db"; };
`,
  )
  const only = ['MD5', 'SHA1', 'SHA512'].map((hash) => `-o APT::FTPArchive::${hash}=false`).join(' ')
  const release = [
    'Codename=bench',
    'Suite=bench',
    'Architectures=amd64',
    'Components=main',
    'Acquire-By-Hash=true',
  ]
  const fields = release.map((field) => `-o APT::FTPArchive::Release::${field}`).join(' ')
  const gpg = `gpg --homedir ${key.home} --batch --yes --pinentry-mode loopback --passphrase ''`
  const script = `set -e; cd ${path}; apt-ftparchive -q ${only} generate generate.conf
apt-ftparchive ${only} ${fields} -o APT::FTPArchive::DoByHash=true release dists/bench > Release; mv Release dists/bench
cd dists/bench; ${gpg} --clearsign --output InRelease Release; ${gpg} -ab --output Release.gpg Release`
  const run = () => measureCommand(['sh', '-c', script])
  await run()
  return {
    note: 'generate with its cache, release',
    async add(change) {
      for (const { path: file } of change.replaced) rmSync(join(path, file))
      for (const { path: file } of change.debs) copyFileSync(join(change.folder, file), join(path, file))
    },
    publish: run,
    packages: async (form) => unpackFile(join(path, index), form),
    [Symbol.asyncDispose]: async () => rmSync(path, { recursive: true }),
  }
}

// The real apt in a root of its own: its lists, cache, sources and status are in a temporary folder, its
// configuration is only ours. Nothing of the host changes, and nothing of the host's configuration counts
// (a host may switch off the very checks that tests rely on).
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type RunResult, run } from './programs.ts'

export interface AptOptions {
  /** Native architecture; amd64 unless told. */
  readonly architecture?: string
  /** Further lines of apt.conf. */
  readonly config?: string
  /** The installed packages, as dpkg's status file has them. */
  readonly status?: string
}

export class AptRoot implements Disposable {
  readonly folder: string
  /** Further variables of its environment. */
  environment: NodeJS.ProcessEnv = {}
  readonly #environment: NodeJS.ProcessEnv

  constructor(options: AptOptions = {}) {
    this.folder = mkdtempSync(join(tmpdir(), 'uus-apt-'))
    for (const path of [
      'lists/partial',
      'cache/archives/partial',
      'sources.d',
      'preferences.d',
      'conf.d',
      'log',
    ]) {
      mkdirSync(join(this.folder, path), { recursive: true })
    }
    writeFileSync(join(this.folder, 'status'), options.status ?? '')
    const configPath = join(this.folder, 'apt.conf')
    writeFileSync(configPath, this.#config(options))
    // APT_CONFIG is read first, and Dir::Etc::main and ::parts in it keep the host's files out.
    this.#environment = { PATH: process.env.PATH, LC_ALL: 'C', APT_CONFIG: configPath }
  }

  #config({ architecture = 'amd64', config = '' }: AptOptions): string {
    const at = (path: string) => join(this.folder, path)
    return `
Dir::Etc "${this.folder}";
Dir::Etc::main "apt.conf.none";
Dir::Etc::parts "${at('conf.d')}";
Dir::Etc::sourcelist "sources.none";
Dir::Etc::sourceparts "${at('sources.d')}";
Dir::Etc::preferences "preferences";
Dir::Etc::preferencesparts "${at('preferences.d')}";
Dir::Etc::trusted "trusted.none";
Dir::Etc::trustedparts "${at('trusted.none')}";
Dir::State "${this.folder}";
Dir::State::lists "${at('lists')}";
Dir::State::status "${at('status')}";
Dir::State::extended_states "${at('extended_states')}";
Dir::Cache "${at('cache')}";
Dir::Log "${at('log')}";
APT::Architecture "${architecture}";
APT::Architectures { "${architecture}"; };
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::Retries "0";
Acquire::http::Proxy "DIRECT";
Debug::NoLocking "true";
APT::Get::List-Cleanup "true";
${config}
`
  }

  /** Replaces the sources: a deb822 text. */
  setSources(text: string): void {
    writeFileSync(join(this.folder, 'sources.d', 'test.sources'), text)
  }

  setPreferences(text: string): void {
    writeFileSync(join(this.folder, 'preferences'), text)
  }

  setStatus(text: string): void {
    writeFileSync(join(this.folder, 'status'), text)
  }

  get(...arguments_: string[]): Promise<RunResult> {
    return run('apt-get', ['-q', '-y', ...arguments_], {
      env: { ...this.#environment, ...this.environment },
      cwd: this.folder,
    })
  }

  cache(...arguments_: string[]): Promise<RunResult> {
    return run('apt-cache', arguments_, {
      env: { ...this.#environment, ...this.environment },
      cwd: this.folder,
    })
  }

  /** `apt-get update` that must go without a word of complaint. */
  async update(): Promise<void> {
    const result = await this.get('update')
    if (result.status !== 0 || /^[WEN]:/m.test(result.output)) {
      throw new Error(`apt-get update complains (exit ${result.status}):\n${result.output}`)
    }
  }

  /** Downloads what an installation would need; the files' names. */
  async download(...packages: string[]): Promise<string[]> {
    const result = await this.get('install', '--download-only', '--no-install-recommends', ...packages)
    if (result.status !== 0 || /^[WE]:/m.test(result.output)) {
      throw new Error(
        `apt-get install ${packages.join(' ')} fails (exit ${result.status}):\n${result.output}`,
      )
    }
    return [...result.output.matchAll(/^Get:\d+ \S+ \S+ \S+ (\S+) \S+ (\S+)/gm)].map(
      ([, name, version]) => `${name} ${version}`,
    )
  }

  /** Has dpkg unpack and configure it, below a root of its own; what apt says. */
  install(...packages: string[]): Promise<RunResult> {
    const admin = join(this.root, 'var', 'lib', 'dpkg')
    const status = join(admin, 'status')
    if (!existsSync(admin)) {
      mkdirSync(join(admin, 'updates'), { recursive: true })
      copyFileSync(join(this.folder, 'status'), status)
    }
    const options = [`--root=${this.root}`, '--force-not-root', `--log=${join(this.folder, 'log', 'dpkg')}`]
    const settings = [`Dir::State::status=${status}`, ...options.map((one) => `DPkg::Options::=${one}`)]
    const flags = settings.flatMap((one) => ['-o', one])
    return this.get('install', '--no-install-recommends', ...flags, ...packages)
  }

  /** Where `install` puts files. */
  get root(): string {
    return join(this.folder, 'root')
  }

  /** The versions that apt would install. */
  async candidates(names: readonly string[]): Promise<Record<string, string>> {
    const { stdout } = await this.cache('policy', ...names)
    return Object.fromEntries(
      [...stdout.matchAll(/^(\S+):\n(?: .*\n)*? {2}Candidate: (.*)$/gm)].map(([, name, version]) => [
        name!,
        version!,
      ]),
    )
  }

  /** The version that apt would install, or null. */
  async candidate(name: string): Promise<string | null> {
    const { stdout } = await this.cache('policy', name)
    const version = /^ {2}Candidate: (.*)$/m.exec(stdout)?.[1]
    return version === undefined || version === '(none)' ? null : version
  }

  /** The path of a downloaded package file. */
  archive(file: string): string {
    return join(this.folder, 'cache', 'archives', file)
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true })
  }
}

// apt-get in a root of its own, with nothing of the host's configuration.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Measured, measureCommand } from './measure.ts'

export interface AptOptions {
  /** A line of sources.list. */
  readonly source: string
  /** Further lines of apt.conf. */
  readonly config?: string
}

/** Makes the root anew: no lists, nothing cached. Resolves to what `apt-get update` takes in it, each time it is called. */
export function freshApt(path: string, { source, config = '' }: AptOptions): () => Promise<Measured> {
  rmSync(path, { recursive: true, force: true })
  for (const name of ['lists/partial', 'cache/archives/partial', 'parts'])
    mkdirSync(join(path, name), { recursive: true })
  writeFileSync(join(path, 'status'), '')
  writeFileSync(join(path, 'sources.list'), `${source}\n`)
  writeFileSync(
    join(path, 'apt.conf'),
    `Dir::Etc "${path}"; Dir::Etc::main "none"; Dir::Etc::parts "${path}/parts"; Dir::Etc::sourcelist "sources.list";
Dir::Etc::sourceparts "none"; Dir::State "${path}"; Dir::State::lists "${path}/lists"; Dir::State::status "${path}/status";
Dir::Cache "${path}/cache"; APT::Architecture "amd64"; APT::Architectures { "amd64"; }; Acquire::Languages "none";
APT::Sandbox::User "root"; Acquire::http::Proxy "DIRECT"; APT::Update::Error-Mode "any";
${config}`,
  )
  const env = { APT_CONFIG: join(path, 'apt.conf') }
  return () => measureCommand(['apt-get', '-q', 'update'], { env })
}

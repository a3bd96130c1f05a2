// `uus init --slave-of`: the configuration of a slave, and the file with its token.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { isLoopback } from '../config/tiers.ts'
import { type Disk, writeFileDurable } from '../lib/disk.ts'
import { UusError } from '../lib/errors.ts'

/** As "uus slave add" printed it. */
export interface SlaveOrder {
  readonly url: string
  /** Null: the one that is here stays. */
  readonly token: string | null
  readonly keys: readonly string[]
  readonly allowsHttp: boolean
}

export interface SlaveSettings {
  /** As they stand in the configuration. */
  readonly data: string
  readonly listen: string
  readonly baseUrl: string | null
}

/** Below the data directory: whoever has it may follow the master as this slave. */
const tokenName = 'master.token'

export function renderSlaveConfig(order: SlaveOrder, { data, listen, baseUrl }: SlaveSettings): string {
  const members = [
    `url: ${JSON.stringify(order.url)}`,
    `token-file: ${JSON.stringify(join(data, tokenName).replace(/^(?![./])/, './'))}`,
    `key: [${order.keys.join(', ')}]`,
    ...(order.allowsHttp ? ['allow-http: true'] : []),
  ]
  return [
    '# A slave: it serves what its master has. config.example.yaml shows every setting.',
    `data: ${data}`,
    `listen: ${listen}`,
    ...(baseUrl === null ? [] : [`base-url: ${baseUrl}`]),
    'role: slave',
    `master: {${members.join(', ')}}`,
    '',
  ].join('\n')
}

/** USAGE where the words cannot make a slave. `hasConfig`: only what is missing is made. */
export function checkSlaveOrder({ url, token, keys, allowsHttp }: SlaveOrder, hasConfig: boolean): void {
  const usage = (message: string) =>
    new UusError('USAGE', message, { hint: 'Take the command that "uus slave add" prints on the master' })
  const parsed = URL.parse(url)
  if (parsed === null || !/^https?:$/.test(parsed.protocol))
    throw usage(`--slave-of ${url} is no http:// or https:// address`)
  if (token !== null && !/^[\x21-\x7e]{20,200}$/.test(token)) throw usage('--token is no token')
  const odd = keys.find((key) => !/^[0-9a-fA-F]{40}$/.test(key))
  if (odd !== undefined) throw usage(`--key ${odd} is no fingerprint of 40 hex digits`)
  if (hasConfig) return
  if (token === null) throw usage('--slave-of needs the --token of this slave')
  if (keys.length === 0) throw usage("--slave-of needs the --key of each channel, the master's fingerprints")
  if (parsed.protocol === 'http:' && !isLoopback(parsed.hostname) && !allowsHttp) {
    throw new UusError('USAGE', `${url} is plain http: everybody on the way could read the token`, {
      hint: 'Use an https:// address; on a network that nobody else is on, add --allow-http',
    })
  }
}

/** Readable by the server's user only. */
export async function writeToken(path: string, token: string | null, disk: Disk): Promise<void> {
  if (token !== null) await writeFileDurable(disk, path, `${token}\n`, 0o600)
  else if (!existsSync(path)) {
    throw new UusError('USAGE', `There is no token at ${path}`, { hint: 'Give it with --token' })
  }
}

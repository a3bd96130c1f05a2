// What the configuration says of tiers: the role, the master of a slave, and the slaves that clients are sent to.

import { isIP } from 'node:net'
import type { Complain } from './problems.ts'
import type { RawConfig } from './shape.ts'

export interface MasterConfig {
  /** Ends without a slash. */
  readonly url: string
  readonly tokenFile: string
  /** Fingerprints of the keys that are believed before any other is known. */
  readonly keys: readonly string[]
  readonly ca: string | null
  readonly prefetch: 'none' | 'used' | 'all'
}

/** A slave as mirror lists name it. */
export interface PublicSlave {
  readonly name: string
  /** Ends without a slash. */
  readonly url: string
  readonly networks: readonly string[]
  readonly countries: readonly string[]
}

export interface ServerTls {
  readonly cert: string
  readonly key: string
  /** Null: TLS on `listen` itself. */
  readonly listen: { readonly host: string; readonly port: number } | null
}

export interface TierConfig {
  readonly role: 'master' | 'slave'
  /** Of a slave. */
  readonly master: MasterConfig | null
  readonly sync: { readonly url: string | null; readonly allowsHttp: boolean }
  readonly slaves: readonly PublicSlave[]
  readonly tls: ServerTls | null
}

/** Nobody else is on the way. */
export function isLoopback(host: string): boolean {
  const bare = host.replace(/^\[|\]$/g, '').replace(/^::ffff:/, '')
  return bare === 'localhost' || bare === '::1' || (isIP(bare) === 4 && bare.startsWith('127.'))
}

/** What goes with the role. The shape may still be wrong: looks only at what is there. */
export function checkRole(raw: Readonly<Record<string, unknown>>, complain: Complain): void {
  if (raw.role !== 'slave') {
    if (raw.archives === undefined) complain(['archives'], 'is missing')
    if (raw.channels === undefined) complain(['channels'], 'is missing')
    if (raw.master !== undefined) complain(['master'], 'is for slaves; set "role: slave", or leave it out')
    return
  }
  for (const name of ['archives', 'channels'] as const)
    if (raw[name] !== undefined) complain([name], 'is for masters; a slave has those of its master')
  if (raw.master === undefined) complain(['master'], 'is missing: a slave follows a master')
  checkMaster((raw.master ?? {}) as Record<string, unknown>, complain)
}

function checkMaster(master: Readonly<Record<string, unknown>>, complain: Complain): void {
  const url = typeof master.url === 'string' ? URL.parse(master.url) : null
  if (url === null) return
  if (url.username !== '' || url.password !== '') {
    complain(['master', 'url'], 'must not have a user or password: the token is in "token-file"')
  }
  if (url.protocol !== 'http:' || isLoopback(url.hostname) || master['allow-http'] === true) return
  complain(
    ['master', 'url'],
    'would send the token where everybody on the way can read it; use https://, or set "allow-http: true"',
  )
}

export function buildTiers(raw: RawConfig, locate: (file: string) => string): TierConfig {
  const { master, sync, slaves, tls } = raw
  return {
    role: raw.role,
    master:
      master === undefined
        ? null
        : {
            url: withoutSlash(master.url),
            tokenFile: locate(master['token-file']),
            keys: master.key,
            ca: master.ca === undefined ? null : locate(master.ca),
            prefetch: master.prefetch,
          },
    sync: {
      url: sync.url === undefined ? null : withoutSlash(sync.url),
      allowsHttp: sync['allow-http'],
    },
    slaves: Object.entries(slaves).map(([name, { url, networks, country }]) => ({
      name,
      url: withoutSlash(url),
      networks,
      countries: country,
    })),
    tls:
      tls === undefined ? null : { cert: locate(tls.cert), key: locate(tls.key), listen: tls.listen ?? null },
  }
}

function withoutSlash(url: string): string {
  return url.replace(/\/+$/, '')
}

// `uus slave add | list | revoke`: who may follow this server.
import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import { isLoopback } from '../config/tiers.ts'
import { sha256 } from '../lib/digest.ts'
import { UusError } from '../lib/errors.ts'
import { formatIso } from '../lib/units.ts'
import { findPublishedChannel } from '../repo/scope.ts'
import type { NestedReport, SlaveReport, SlaveTraffic } from '../store/slaves.ts'
import type { Store } from '../store/store.ts'
import { action, type Listing, listing, type Outcome, readStep, step, stepAction } from './action.ts'
import { isoOrNull, reason } from './shared.ts'

const slaveName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9.-]{0,62}$/, 'must be a name of small letters, digits, dots and dashes')

const addInput = z.object({
  name: slaveName,
  /** Empty: all that are published. */
  channels: z.array(z.string()).default([]),
  reason: reason.nullable().default(null),
})
type AddInput = z.output<typeof addInput>

export interface SlaveAddResult extends Outcome {
  readonly name: string
  readonly channels: readonly string[]
  /** Shown this once: only its hash is kept. */
  readonly token: string
  /** What makes the slave, on its host. */
  readonly command: string
  /** What keeps that command from working as it is; null if nothing does. */
  readonly warning: string | null
}

interface Added {
  readonly channels: readonly string[]
  readonly token: string
  readonly fingerprints: readonly string[]
}

export const addSlaveStep = step<AddInput, Added>('slave-add', ({ repo }, order, call) => {
  const { store, clock } = repo
  const names = store.channels.list().filter((channel) => channel.parentId !== null && channel.isConfigured)
  const channels =
    order.channels.length === 0 ? names : order.channels.map((name) => findPublishedChannel(repo, name))
  if (channels.length === 0) {
    throw new UusError('USAGE', 'There is no channel here yet that a slave could have', {
      hint: 'On a slave, wait until it has followed its master once: uus sync',
    })
  }
  if (store.slaves.find(order.name) !== null) {
    throw new UusError('USAGE', `There is a slave "${order.name}" already`, {
      hint: `For a new token: uus slave revoke ${order.name}, then add it again`,
    })
  }
  const fingerprints = channels.map(({ id, name }) => trustedKey(store, id, name))
  // Begins with a letter: nothing takes it for a flag.
  const token = `uus_${randomBytes(32).toString('base64url')}`
  const at = clock.now()
  const given = channels.map((channel) => channel.name)
  store.db.write((tx) => {
    store.slaves.add(tx, order.name, sha256(Buffer.from(token)), given, at)
    store.audit.append(tx, {
      at,
      actor: call.actor,
      action: 'slave add',
      subject: order.name,
      reason: order.reason,
      details: { channels: given },
    })
  })
  return { channels: given, token, fingerprints }
})

/** The one by which a slave believes the channel's first manifest. A slave passes on what it knows itself. */
function trustedKey(store: Store, channelId: number, name: string): string {
  const active = store.keys.list(channelId).find((key) => key.role === 'active')
  if (active !== undefined) return active.fingerprint
  throw new UusError('SIGNING_KEY_MISSING', `Channel ${name} has no signing key yet`, {
    hint: 'On a slave, wait until it has followed its master once: uus sync',
  })
}

export const slaveAdd = action<AddInput, SlaveAddResult>({
  verb: 'slave add',
  role: 'admin',
  input: addInput as z.ZodType<AddInput>,
  async run(context, order, call) {
    const { channels, token, fingerprints } = await context.jobs.run(addSlaveStep, order, call)
    const { sync } = context.config
    const url = sync.url ?? context.baseUrl()
    const { protocol, hostname } = new URL(url)
    const isOpen = protocol === 'http:' && !isLoopback(hostname)
    const keys = [...new Set(fingerprints)].map((fingerprint) => ` --key ${fingerprint}`).join('')
    const flag = isOpen && sync.allowsHttp ? ' --allow-http' : ''
    return {
      status: 'done',
      name: order.name,
      channels,
      token,
      command: `uus init --slave-of ${url} --token ${token}${keys}${flag}`,
      warning:
        isOpen && !sync.allowsHttp
          ? `${url} is plain http, over which no token is taken: set "tls", or "sync.url" to an https:// address, or "sync.allow-http: true"`
          : null,
    }
  },
})

const revokeInput = z.object({ name: z.string(), reason: reason.nullable().default(null) })
type RevokeInput = z.output<typeof revokeInput>

export interface SlaveRevokeResult extends Outcome {
  readonly name: string
}

export const slaveRevoke = stepAction<RevokeInput, SlaveRevokeResult>(
  { verb: 'slave revoke', role: 'admin', input: revokeInput as z.ZodType<RevokeInput> },
  step<RevokeInput, SlaveRevokeResult>('slave revoke', ({ repo }, order, call) => {
    const { store, clock } = repo
    const slave = store.slaves.find(order.name)
    if (slave === null) {
      const names = store.slaves.list().map(({ name }) => name)
      throw new UusError('UNKNOWN_NAME', `There is no slave "${order.name}"`, {
        hint: names.length === 0 ? 'None was ever added' : `Slaves are: ${names.join(', ')}`,
      })
    }
    const at = clock.now()
    store.db.write((tx) => {
      store.slaves.remove(tx, slave.id, at)
      store.audit.append(tx, {
        at,
        actor: call.actor,
        action: 'slave revoke',
        subject: slave.name,
        reason: order.reason,
        details: {},
      })
    })
    return { status: 'done', name: slave.name }
  }),
)

export interface SlaveChannelEntry {
  readonly name: string
  /** Null for nothing yet. */
  readonly snapshot: string | null
  /** How long it has not had what is served here; 0 if it has it, null if that is not known. */
  readonly lagSeconds: number | null
  readonly problem: { readonly since: string; readonly message: string; readonly isOver: boolean } | null
}

export interface SlaveEntry {
  /** With the slaves between, `norway/oslo`. */
  readonly name: string
  readonly version: string | null
  readonly channels: readonly SlaveChannelEntry[]
  readonly contactAt: string | null
  readonly diskFreeBytes: number | null
  readonly cacheBytes: number | null
  readonly requests: number
  readonly servedBytes: number
  readonly savedBytes: number
}

const nothing = z.object({})
type Nothing = z.output<typeof nothing>

export const listSlavesStep = readStep<Nothing, Listing<SlaveEntry>>('slave-list', ({ repo }) => {
  const { store, clock } = repo
  const traffic = store.slaves.traffic()
  const now = clock.now()
  return listing(
    store.slaves.list().flatMap((slave) => {
      const mine = traffic.filter(({ slaveId }) => slaveId === slave.id)
      const { name, contactAt, report } = slave
      return describeTree(store, { name, contactAt, report }, slave.channels, '', mine, now)
    }),
  )
})

/** A slave and all below it. `origin`: what its traffic is counted under. */
function describeTree(
  store: Store,
  { name, contactAt, report }: NestedReport,
  given: readonly string[],
  origin: string,
  traffic: readonly SlaveTraffic[],
  now: number,
): SlaveEntry[] {
  const counts = traffic.find((one) => one.origin === origin)
  const entry: SlaveEntry = {
    name,
    version: report?.version ?? null,
    channels: describeChannels(store, report, given, now),
    contactAt: isoOrNull(contactAt),
    diskFreeBytes: report?.diskFreeBytes ?? null,
    cacheBytes: report?.cacheBytes ?? null,
    requests: counts?.requests ?? 0,
    servedBytes: counts?.servedBytes ?? 0,
    savedBytes: counts?.savedBytes ?? 0,
  }
  const below = (report?.below ?? []).flatMap((one) => {
    const path = origin === '' ? one.name : `${origin}/${one.name}`
    return describeTree(store, { ...one, name: `${name}/${one.name}` }, [], path, traffic, now)
  })
  return [entry, ...below]
}

function describeChannels(
  store: Store,
  report: SlaveReport | null,
  given: readonly string[],
  now: number,
): SlaveChannelEntry[] {
  const told = report?.channels ?? []
  const silent = given.filter((name) => !told.some((one) => one.name === name))
  return [
    ...told.map(({ name, snapshot, problem }) => ({
      name,
      snapshot,
      lagSeconds: lagOf(store, name, snapshot, now),
      problem:
        problem === null
          ? null
          : { since: formatIso(problem.at), message: problem.message, isOver: problem.isOver },
    })),
    ...silent.map((name) => ({ name, snapshot: null, lagSeconds: null, problem: null })),
  ]
}

/** Since the snapshot after the one that it serves was made. */
function lagOf(store: Store, name: string, snapshot: string | null, now: number): number | null {
  const channel = store.channels.find(name)
  if (channel === null || snapshot === null) return null
  const served = store.channels.findSnapshot(channel.id, snapshot)
  if (served === null) return null
  const next = store.channels.snapshotAfter(channel.id, served.revision)
  return next === null ? 0 : Math.max(0, Math.round((now - next.at) / 1000))
}

export const slaveList = action<Nothing, Listing<SlaveEntry>>({
  verb: 'slave list',
  role: 'viewer',
  input: nothing as z.ZodType<Nothing>,
  async run(context, input, call) {
    await context.flushContacts()
    return context.jobs.run(listSlavesStep, input, call)
  },
})

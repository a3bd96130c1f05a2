// What a slave does itself. Everything else is decided on its master.
import type { Config } from '../config/config.ts'
import { UusError } from '../lib/errors.ts'

export const slaveVerbs: ReadonlySet<string> = new Set([
  'archive list',
  'audit',
  'channel list',
  'conf',
  'gc',
  'key export',
  'key list',
  'notice list',
  'notice retry',
  'pins',
  'slave add',
  'slave list',
  'slave revoke',
  'snapshot export',
  'snapshot import',
  'snapshot list',
  'sources',
  'status',
  'sync',
  'update',
  'user add',
  'user list',
  'user password',
  'user remove',
  'user revoke',
  'user role',
  'user token',
])

/** ON_SLAVE for what only a master does. */
export function refuseOnSlave({ master }: Config, verb: string): void {
  if (master !== null && !slaveVerbs.has(verb)) throw onSlave(verb, master.url)
}

export function onSlave(verb: string, masterUrl: string): UusError {
  return new UusError('ON_SLAVE', `This is a slave: "${verb}" is done on its master, ${masterUrl}`, {
    hint: 'Do it there; what is decided there is here a moment later',
  })
}

// Alarms about packages of local archives: what was told when they were added, for as long as it is so.
import type { Finding } from '../alarms.ts'
import type { Repo } from '../repo.ts'
import { type Concern, clashes, localStanzas, unmet } from './concerns.ts'

const kinds: Record<Concern['kind'], string> = {
  unmet: 'Add what is missing, or a mended version: uus add',
  clash: 'Give the package another name, or a version that is meant to win',
  'hides-security': 'Add a version that has the fix too, or take yours out: uus remove',
}

/**
 * What is so in any channel, once for each package. Whether packages can be installed takes long to find out, and is
 * asked only when something changed.
 */
export function localFindings(repo: Repo, isChanged: boolean): Finding[] {
  const { store } = repo
  const channels = store.channels.list().filter((channel) => channel.parentId !== null)
  const concerns = channels.flatMap((channel) => {
    const stanzas = localStanzas(store, channel)
    if (stanzas.length === 0) return []
    const found = clashes(store, channel, stanzas)
    return isChanged ? [...found, ...unmet(repo, channel, stanzas)] : found
  })
  const findings = new Map<string, Finding>()
  for (const { kind, release, package: name, sentence } of concerns) {
    const key = `local-${kind}:${release}:${name}`
    if (!findings.has(key)) findings.set(key, { key, message: sentence, hint: kinds[kind] })
  }
  return [...findings.values(), ...(isChanged ? [] : standing(repo))]
}

/** Nothing changed: what could not be installed cannot be now. */
function standing({ store }: Repo): Finding[] {
  return store.alarms
    .list()
    .filter(({ key }) => key.startsWith('local-unmet:'))
    .map(({ key, message }) => ({ key, message, hint: kinds.unmet }))
}

// What somebody should know of packages of a local archive: that they cannot be installed, that an archive of somebody
// else has their name too, that they keep a security fix from clients. None of it is refused.
import { isSecuritySuite } from '../../debian/names.ts'
import { compareVersions } from '../../debian/version.ts'
import type { Suite } from '../../store/archives.ts'
import type { Channel } from '../../store/channels.ts'
import type { Store } from '../../store/store.ts'
import type { Placed } from '../../store/views.ts'
import type { Repo } from '../repo.ts'

export interface Concern {
  readonly kind: 'unmet' | 'clash' | 'hides-security'
  readonly release: string
  readonly package: string
  readonly sentence: string
}

/** The packages of local archives that a channel shows. */
export function localStanzas(store: Store, channel: Channel): Placed[] {
  const isLocal = new Set(store.archives.list().flatMap(({ id, isLocal: is }) => (is ? [id] : [])))
  return store.archives
    .indexes()
    .filter((index) => isLocal.has(index.archiveId))
    .flatMap((index) => {
      const view = store.views.find(channel.id, index.id)
      return view?.liveSince == null ? [] : store.views.placed(view.id, store.views.recordIds(view.id))
    })
}

/** Of the given packages of local archives, which names another archive of the release has too, in a channel. */
export function clashes(store: Store, channel: Channel, stanzas: readonly Placed[]): Concern[] {
  const suites = new Map(store.archives.suites().map((suite) => [suite.id, suite]))
  const found = [...Map.groupBy(stanzas, (one) => `${one.release} ${one.name}`).values()].flatMap((mine) => {
    const [first] = mine
    const own = highest(mine)
    const others = store.views
      .byName(channel.id, first!.name)
      .filter((one) => one.release === first!.release && !suites.get(one.suiteId)!.isLocal)
    if (others.length === 0) return []
    const fixes = others.filter((one) => isSecurity(suites.get(one.suiteId)!))
    return [clashOf(own, highest(fixes.length > 0 ? fixes : others), suites)]
  })
  return found
}

function clashOf(own: Placed, other: Placed, suites: ReadonlyMap<number, Suite>): Concern {
  const { release, name } = own
  const nameOf = ({ suiteId }: Placed) => `${suites.get(suiteId)!.archive}/${suites.get(suiteId)!.name}`
  const isFix = isSecurity(suites.get(other.suiteId)!)
  const mine = `${name} ${own.version} of ${nameOf(own)}`
  const theirs = `${other.version} of ${nameOf(other)}`
  const isOurs = compareVersions(own.version, other.version) >= 0
  if (isFix && isOurs) {
    const sentence = `${mine} hides the security fix ${theirs}: clients keep yours, and do not get the fix`
    return { kind: 'hides-security', release, package: name, sentence }
  }
  const taken = isOurs ? 'yours' : `the ${isFix ? 'security fix' : 'other one'}`
  const sentence = `${mine} has the name of ${theirs}: clients take the higher version, which is ${taken}`
  return { kind: 'clash', release, package: name, sentence }
}

function isSecurity({ name, adopted }: Suite): boolean {
  return isSecuritySuite(name, adopted?.identity.suite, adopted?.identity.codename)
}

function highest(stanzas: readonly Placed[]): Placed {
  return stanzas.reduce((best, one) => (compareVersions(one.version, best.version) > 0 ? one : best))
}

/** Of the given packages, which cannot be installed from a channel, and why. */
export function unmet(repo: Repo, channel: Channel, stanzas: readonly Placed[]): Concern[] {
  const releases = new Set(stanzas.map((one) => one.release))
  return [...releases].flatMap((release) =>
    repo.installability
      .check(channel, release)
      .filter((one) =>
        stanzas.some(
          (mine) => mine.release === release && mine.name === one.name && mine.version === one.version,
        ),
      )
      .map((one) => ({
        kind: 'unmet' as const,
        release,
        package: one.name,
        sentence: `Cannot be installed from ${channel.name}: ${one.sentence}`,
      })),
  )
}

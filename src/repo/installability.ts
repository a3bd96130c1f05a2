// Whether what clients of a channel see can be installed, and what a change would make of that: per release and native
// architecture, with its foreign ones beside it. Universes are kept between questions, and let go when none comes.
import { isInstallerComponent, isVariant } from '../debian/index-kinds.ts'
import { type Package, readRelationFields } from '../debian/installability/fields.ts'
import { findMending, type Mending } from '../debian/installability/mending.ts'
import { type PackageName, PackagePool } from '../debian/installability/pool.ts'
import { sentenceOf } from '../debian/installability/sentence.ts'
import { type Change, newlyBroken, Universe } from '../debian/installability/universe.ts'
import type { Channel } from '../store/channels.ts'
import type { Store } from '../store/store.ts'
import type { Placed } from '../store/views.ts'

/** What is native somewhere, and what stands beside it there. */
export interface ArchitectureSet {
  readonly native: string
  readonly foreign: readonly string[]
}

/** A package that could not be installed, and why. */
export interface Uninstallable extends PackageName {
  readonly native: string
  readonly sentence: string
}

/** Stanzas of one release that enter and leave a channel. */
export interface StanzaChange {
  readonly enter: readonly Placed[]
  readonly leave: readonly Placed[]
}

export interface Judgement {
  /** What could be installed, or could be where it comes from, and could not be afterwards. */
  readonly regressions: readonly Uninstallable[]
  /** What cannot be installed where it comes from either. */
  readonly tolerated: readonly Uninstallable[]
}

interface Snapshot {
  /** The state of the catalogue that it was last compared with. */
  readonly state: number
  /** Of the channel then. */
  readonly revision: number
  /** Of what it is made. */
  readonly views: readonly number[]
  /** Its own: it moves along with the channel. */
  readonly ids: Set<number>
  readonly universe: Universe
}

/** All that is known of one release and native architecture. */
interface Field {
  pool: PackagePool
  readonly channels: Map<number, Snapshot>
}

const idleMs = 300_000
const textsAtATime = 2_000
/** A pool only grows; with so many times more than what is looked at, it is made anew. */
const maxWaste = 2

export class Installability {
  readonly #store: Store
  readonly #architecturesOf: (release: string) => readonly ArchitectureSet[]
  readonly #fields = new Map<string, Field>()
  #timer: NodeJS.Timeout | null = null

  constructor(store: Store, architecturesOf: (release: string) => readonly ArchitectureSet[]) {
    this.#store = store
    this.#architecturesOf = architecturesOf
  }

  /** What a change to `target`, which comes from `feeding`, would break. */
  judge(target: Channel, feeding: Channel, release: string, change: StanzaChange): Judgement {
    const regressions: Uninstallable[] = []
    const tolerated: Uninstallable[] = []
    for (const { set, after, broken, from } of this.#outcomes(target, feeding, release, change)) {
      for (const one of broken)
        (from.isBroken(one.id) ? tolerated : regressions).push(this.#describe(after, one, set))
    }
    return { regressions, tolerated }
  }

  /** Whether there would be regressions: the same, without saying why. */
  breaks(target: Channel, feeding: Channel, release: string, change: StanzaChange): boolean {
    return this.#outcomes(target, feeding, release, change).some(({ broken, from }) =>
      broken.some((one) => !from.isBroken(one.id)),
    )
  }

  /** Of each architecture on which something breaks. */
  *#outcomes(target: Channel, feeding: Channel, release: string, change: StanzaChange) {
    for (const set of this.#architecturesOf(release)) {
      const concerned = this.#concerned(change, set)
      if (concerned === null) continue
      const before = this.#universe(target, release, set)
      const after = before.with(concerned)
      const broken = newlyBroken(before, after)
      if (broken.length > 0) yield { set, after, broken, from: this.#universe(feeding, release, set) }
    }
  }

  /** Which of the candidates have to come along so that a change breaks nothing; null if none help. */
  mend<C extends StanzaChange>(
    target: Channel,
    feeding: Channel,
    release: string,
    change: StanzaChange,
    candidates: readonly C[],
  ): readonly C[] | null {
    let needed: readonly C[] = []
    for (const set of this.#architecturesOf(release)) {
      const before = this.#universe(target, release, set)
      const from = this.#universe(feeding, release, set)
      // What one architecture needs comes along on the others too.
      const base = all([change, ...needed])
      const concerned = this.#concerned(base, set)
      if (concerned === null) continue
      const offered = candidates
        .filter((one) => !needed.includes(one))
        .map((one) => ({ ...(this.#concerned(one, set) ?? {}), candidate: one }))
      const mending: Mending<Change & { candidate: C }> = findMending(before, concerned, offered, {
        isTolerated: (id) => from.isBroken(id),
      })
      if (mending.type !== 'mended') return null
      needed = [...needed, ...mending.candidates.map(({ candidate }) => candidate)]
    }
    return this.breaks(target, feeding, release, all([change, ...needed])) ? null : needed
  }

  /** All that cannot be installed from a channel. */
  check(channel: Channel, release: string): Uninstallable[] {
    return this.#architecturesOf(release).flatMap((set) => {
      const universe = this.#universe(channel, release, set)
      return universe.brokenPackages().map((one) => this.#describe(universe, one, set))
    })
  }

  forget(): void {
    this.#fields.clear()
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
  }

  #describe(universe: Universe, one: PackageName, { native }: ArchitectureSet): Uninstallable {
    const reason = universe.explain(one.id)?.reasons[0]
    return { ...one, native, sentence: reason === undefined ? '' : sentenceOf(reason, native) }
  }

  /** Null if nothing of it is seen there. */
  #concerned({ enter, leave }: StanzaChange, set: ArchitectureSet): Change | null {
    const isSeen = (one: Placed) => isSeenBy(set, one.indexArchitecture)
    const entering = [...new Set(enter.filter(isSeen).map((one) => one.id))]
    const leaving = [...new Set(leave.filter(isSeen).map((one) => one.id))]
    if (entering.length === 0 && leaving.length === 0) return null
    return { enter: [...this.#packages(entering)], leave: leaving }
  }

  #universe(channel: Channel, release: string, set: ArchitectureSet): Universe {
    const key = `${release} ${set.native}`
    const field = this.#fields.get(key) ?? {
      pool: new PackagePool(set),
      channels: new Map<number, Snapshot>(),
    }
    this.#fields.set(key, field)
    this.#keepAwhile()
    const state = this.#store.db.changeCount()
    const known = field.channels.get(channel.id)
    if (known?.state === state) return known.universe
    const revision = this.#store.channels.head(channel.id)?.revision ?? 0
    const views = this.#views(channel, release, set)
    const isSame = known !== undefined && known.views.join() === views.join()
    // Of several channels most is the same: the next one begins where another one is.
    const next = isSame
      ? this.#follow(known, views)
      : this.#reach(field, known ?? field.channels.values().next().value, views)
    field.channels.set(channel.id, { state, revision, views, ...next })
    if (field.pool.size > maxWaste * (next.ids.size + 1000)) this.#fields.delete(key)
    return next.universe
  }

  /** From what changed in the views since. */
  #follow({ revision, ids, universe }: Snapshot, viewIds: readonly number[]) {
    const { views } = this.#store
    const changed = new Set(viewIds.flatMap((viewId) => views.changedSince(viewId, revision)))
    const isShown = (id: number) => viewIds.some((viewId) => views.holds(viewId, id))
    const enter = [...changed].filter((id) => !ids.has(id) && isShown(id))
    const leave = [...changed].filter((id) => ids.has(id) && !isShown(id))
    if (enter.length === 0 && leave.length === 0) return { ids, universe }
    for (const id of leave) ids.delete(id)
    for (const id of enter) ids.add(id)
    return { ids, universe: universe.with({ enter: [...this.#packages(enter)], leave }) }
  }

  #reach(field: Field, near: Snapshot | undefined, viewIds: readonly number[]) {
    const ids = new Set(viewIds.flatMap((viewId) => this.#store.views.recordIds(viewId)))
    if (near === undefined) return { ids, universe: Universe.build(field.pool, this.#packages([...ids])) }
    const enter = [...ids].filter((id) => !near.ids.has(id))
    const leave = [...near.ids].filter((id) => !ids.has(id))
    if (enter.length === 0 && leave.length === 0) return { ids, universe: near.universe }
    return { ids, universe: near.universe.with({ enter: [...this.#packages(enter)], leave }) }
  }

  #views(channel: Channel, release: string, set: ArchitectureSet): number[] {
    const { archives, views } = this.#store
    const indexes = new Map(archives.indexes().map((index) => [index.id, index]))
    return views.list(channel.id).flatMap((view) => {
      const index = indexes.get(view.indexId)
      if (index === undefined || view.liveSince === null || index.kind !== 'packages') return []
      if (isInstallerComponent(index.component) || isVariant(index.architecture)) return []
      return index.release === release && isSeenBy(set, index.architecture) ? [view.id] : []
    })
  }

  *#packages(ids: readonly number[]): Generator<Package> {
    for (let at = 0; at < ids.length; at += textsAtATime) {
      const some = ids.slice(at, at + textsAtATime)
      const texts = this.#store.records.texts(some)
      for (const [index, text] of texts.entries()) yield { id: some[index]!, ...readRelationFields(text) }
    }
  }

  #keepAwhile(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.forget(), idleMs)
    this.#timer.unref()
  }
}

function isSeenBy({ native, foreign }: ArchitectureSet, architecture: string): boolean {
  return architecture === native || architecture === 'all' || foreign.includes(architecture)
}

function all(changes: readonly StanzaChange[]): StanzaChange {
  return { enter: changes.flatMap((one) => one.enter), leave: changes.flatMap((one) => one.leave) }
}

/** By release: each architecture that is native in an archive of it, with all that are foreign there. */
export function architecturesByRelease(
  suites: readonly { readonly release: string | null; readonly archive: string }[],
  archives: readonly {
    readonly name: string
    readonly architectures: readonly string[]
    readonly foreignArchitectures: readonly string[]
  }[],
): Map<string, ArchitectureSet[]> {
  const byRelease = new Map<string, ArchitectureSet[]>()
  const named = suites.filter((suite) => suite.release !== null)
  for (const [release, members] of Map.groupBy(named, (suite) => suite.release!)) {
    const here = archives.filter((archive) => members.some((suite) => suite.archive === archive.name))
    const natives = here.flatMap(({ architectures, foreignArchitectures }) =>
      architectures.filter((one) => !foreignArchitectures.includes(one)),
    )
    const foreign = [...new Set(here.flatMap((archive) => archive.foreignArchitectures))]
    const sets = [...new Set(natives)].map((native) => ({
      native,
      foreign: foreign.filter((one) => one !== native),
    }))
    byRelease.set(release, sets)
  }
  return byRelease
}

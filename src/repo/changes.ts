// A change of a channel: which records enter and leave which index.
import type { Placed, ViewChange } from '../store/views.ts'

/** By index id. Indexes without a change have no entry. */
export type IndexChanges = ReadonlyMap<number, ViewChange>

/** Stanzas that enter and leave, wherever they stand. */
export interface PlacedChange {
  readonly enter: readonly Pick<Placed, 'id' | 'indexId'>[]
  readonly leave: readonly Pick<Placed, 'id' | 'indexId'>[]
}

export function indexChanges(change: PlacedChange): IndexChanges {
  const byIndex = new Map<number, { enter: number[]; leave: number[] }>()
  const at = (indexId: number) => {
    const known = byIndex.get(indexId)
    if (known !== undefined) return known
    const made = { enter: [], leave: [] }
    byIndex.set(indexId, made)
    return made
  }
  for (const one of change.enter) at(one.indexId).enter.push(one.id)
  for (const one of change.leave) at(one.indexId).leave.push(one.id)
  return byIndex
}

export function countChanges(changes: IndexChanges): { entered: number; left: number } {
  let entered = 0
  let left = 0
  for (const change of changes.values()) {
    entered += change.enter.length
    left += change.leave.length
  }
  return { entered, left }
}

// Gate `obtainable`: what enters a gated channel can be had. A file that upstream offers can; one that it does not offer
// any more has to be here, and is fetched before a promotion if any address still has it.
import type { MissingFile } from '../../store/supplies.ts'
import type { Gate } from './gate.ts'

/** A file of the item that upstream does not offer any more, and that is not here. */
export interface AbsentFile {
  readonly path: string
  /** How fetching it went, if it was tried. */
  readonly tried: Pick<MissingFile, 'isFinal' | 'error'> | null
}

export const obtainable: Gate = ({ absentFiles }) => {
  const gate = 'obtainable'
  if (absentFiles.length === 0) return { gate, state: 'pass', sentence: 'Every file can be had' }
  const names = nameSome(absentFiles.map(({ path }) => path.split('/').at(-1)!))
  const lost = absentFiles.find(({ tried }) => tried?.isFinal === true)
  if (lost !== undefined) {
    return {
      gate,
      state: 'blocked',
      sentence: `Files that upstream does not offer any more cannot be had: ${names} (${lost.tried!.error})`,
    }
  }
  const failed = absentFiles.find(({ tried }) => tried !== null)
  const why = failed === undefined ? 'a promotion fetches them first' : failed.tried!.error
  return {
    gate,
    state: 'needs',
    sentence: `Files that upstream does not offer any more are not here yet: ${names} (${why})`,
  }
}

function nameSome(names: readonly string[]): string {
  return names.length > 3 ? `${names.slice(0, 3).join(', ')} and ${names.length - 3} more` : names.join(', ')
}

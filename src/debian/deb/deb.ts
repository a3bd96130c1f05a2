// A .deb from outside, read where it lies: two headers, the control part, and nothing of the rest unless asked for.
import type { RandomAccess } from '../../lib/random-access.ts'
import { type DebLayout, readLayout } from './ar.ts'
import { type DebControl, readControl } from './control.ts'

export interface Deb {
  /** How errors name it. */
  readonly what: string
  readonly file: RandomAccess
  readonly layout: DebLayout
  readonly control: DebControl
}

/** Checks everything but the contents of data.tar; `what` names the package in errors (MALFORMED). */
export async function readDeb(file: RandomAccess, what: string): Promise<Deb> {
  const layout = await readLayout(file, what)
  return { what, file, layout, control: await readControl(file, layout, what) }
}

// What can happen while an action runs, as one closed union. Renderers (terminal, log, API) switch over it.
import type { ErrorValue } from './errors.ts'

export type Event =
  | { type: 'fetch-progress'; label: string; doneBytes: number; totalBytes: number }
  | { type: 'suite-checked'; archive: string; suite: string; outcome: 'unchanged' | 'older' }
  | { type: 'suite-fetching'; archive: string; suite: string; totalBytes: number }
  | { type: 'suite-adopted'; archive: string; suite: string; entered: number; left: number }
  | { type: 'suite-failed'; archive: string; suite: string; error: ErrorValue }
  | {
      type: 'snapshot'
      channel: string
      id: string
      revision: number
      kind: string
      entered: number
      left: number
    }
  | { type: 'alarm'; key: string; message: string; hint?: string }
  | { type: 'note'; message: string }

export type Emit = (event: Event) => void

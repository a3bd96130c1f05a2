// What goes to the terminal: tables, colours where there is a terminal, times as people read them.
import { stripVTControlCharacters, styleText } from 'node:util'
import { formatRelative } from '../lib/units.ts'

type Style = Parameters<typeof styleText>[0]

export interface Stream {
  readonly isTTY?: boolean | undefined
  readonly columns?: number | undefined
  write(text: string): unknown
}

export class Output {
  readonly stream: Stream
  readonly #hasColor: boolean
  readonly #now: number

  constructor(stream: Stream, environment: NodeJS.ProcessEnv, now: number) {
    this.stream = stream
    this.#hasColor =
      stream.isTTY === true && environment.NO_COLOR === undefined && environment.TERM !== 'dumb'
    this.#now = now
  }

  line(text = ''): void {
    this.stream.write(`${text}\n`)
  }

  style(style: Style, text: string): string {
    return this.#hasColor ? styleText(style, text, { validateStream: false }) : text
  }

  dim(text: string): string {
    return this.style('dim', text)
  }

  bold(text: string): string {
    return this.style('bold', text)
  }

  /** `2026-11-23 17:05 (3h ago)`; a dash for null. */
  time(iso: string | null): string {
    if (iso === null) return '-'
    const short = iso.replace('T', ' ').replace(/:\d\dZ$/, '')
    return `${short} ${this.dim(`(${formatRelative(Date.parse(iso), this.#now)})`)}`
  }

  /** `3h ago`; a dash for null. */
  ago(iso: string | null): string {
    return iso === null ? '-' : formatRelative(Date.parse(iso), this.#now)
  }

  /** Aligned columns under their heads. Nothing at all for no rows. */
  table(heads: readonly string[], rows: readonly (readonly string[])[]): void {
    this.growingTable(heads)(rows)
  }

  /** Takes a table's rows by and by; columns grow as they must. */
  growingTable(heads: readonly string[]): (rows: readonly (readonly string[])[]) => void {
    const widths = heads.map((head) => head.length)
    let hasHeads = false
    const render = (cells: readonly string[]) =>
      cells
        .map((cell, column) =>
          column === cells.length - 1 ? cell : cell + ' '.repeat(widths[column]! - visibleLength(cell)),
        )
        .join('  ')
        .trimEnd()
    return (rows) => {
      if (rows.length === 0) return
      for (const row of rows)
        for (const [column, cell] of row.entries())
          widths[column] = Math.max(widths[column] ?? 0, visibleLength(cell))
      if (!hasHeads) this.line(this.dim(render(heads.map((head) => head.toUpperCase()))))
      hasHeads = true
      for (const row of rows) this.line(render(row))
    }
  }
}

function visibleLength(text: string): number {
  return stripVTControlCharacters(text).length
}

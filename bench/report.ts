// What the benchmark prints: a table a row of the budget, peers as ratios to ours.
import type { Measured } from './measure.ts'

export interface Line extends Partial<Measured> {
  readonly who: string
  readonly wallSeconds: number
  /** What it did differently, or could not. */
  readonly note?: string
}

export interface Section {
  readonly title: string
  readonly budget: string
  /** Ours first. */
  readonly lines: readonly Line[]
}

/** A row of the budget whose figures are not times of whole commands. Ours first. */
export interface Table {
  readonly title: string
  readonly budget: string
  readonly heads: readonly string[]
  readonly rows: readonly (readonly string[])[]
}

export function renderSection({ title, budget, lines }: Section): string {
  const ours = lines[0]!
  const rows = lines.map((line) => [
    line.who,
    line.wallSeconds.toFixed(2),
    line === ours ? '' : `${(line.wallSeconds / ours.wallSeconds).toFixed(2)} ×`,
    line.cpuSeconds?.toFixed(2) ?? '',
    line.peakRssBytes === undefined ? '' : (line.peakRssBytes / 1e6).toFixed(0),
    line.note ?? '',
  ])
  return renderTable({ title, budget, heads: ['who', 'wall s', 'of ours', 'CPU s', 'RSS MB', ''], rows })
}

export function renderTable({ title, budget, heads, rows }: Table): string {
  const widths = heads.map((head, column) => Math.max(head.length, ...rows.map((row) => row[column]!.length)))
  const render = (cells: readonly string[]) =>
    cells
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join('  ')
      .trimEnd()
  return [`\n## ${title}`, `budget: ${budget}\n`, render(heads), ...rows.map(render)].join('\n')
}

// Cost curves as an SVG picture: small multiples side by side, both axes logarithmic, one legend for all. Pure.

export interface Series {
  readonly name: string
  /** Index into the palette: series of the same tool share one. */
  readonly colour: number
  readonly isDashed: boolean
  readonly points: readonly { readonly x: number; readonly y: number }[]
}

export interface Panel {
  readonly title: string
  readonly series: readonly Series[]
}

export interface Plot {
  readonly title: string
  readonly xLabel: string
  readonly yLabel: string
  /** Small print below, a line each. */
  readonly remarks: readonly string[]
  readonly panels: readonly Panel[]
}

// Distinct for colour-blind eyes, and strong enough on white and on near black (after Okabe and Ito).
const palette = ['#0a7fd0', '#e08a00', '#0f9d74', '#c2609a']
const style = `.card{fill:#fff;stroke:#d0d7de}.grid{stroke:#e3e7eb}.axis{stroke:#8b949e}text{fill:#1f2328;font:12px system-ui,sans-serif}
.title{font-size:16px;font-weight:600}.panel{font-size:13px;font-weight:600}.small{font-size:11px;fill:#59636e}.dot{stroke:#fff}
@media (prefers-color-scheme:dark){.card{fill:#0d1117;stroke:#30363d}.grid{stroke:#262c34}.axis{stroke:#6e7681}text{fill:#e6edf3}.small{fill:#9198a1}.dot{stroke:#0d1117}}`

const letterWidth = 6.9
const legendTop = 58
const legendRowHeight = 22
const margin = { top: 84, right: 24, bottom: 60, left: 66 }
const panelWidth = 264
const gap = 40
const panelHeight = 300
const remarkHeight = 16

interface Axis {
  readonly low: number
  readonly high: number
  readonly ticks: readonly number[]
}

/** Where a panel stands, and what its axes are. */
interface Frame {
  readonly left: number
  readonly top: number
  readonly x: Axis
  readonly y: Axis
}

export function renderPlot(plot: Plot): string {
  const { title, panels, remarks } = plot
  const points = panels.flatMap(({ series }) => series.flatMap((one) => one.points))
  const x = sizesAxis(points.map((point) => point.x))
  const y = decadesAxis(points.map((point) => point.y))
  const width = margin.left + panels.length * (panelWidth + gap) - gap + margin.right
  const { items, rows } = legend(panels[0]?.series ?? [], width)
  const top = margin.top + rows * legendRowHeight
  const height = top + panelHeight + margin.bottom + remarks.length * remarkHeight
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${escaped(title)}">`,
    `<style>${style}</style>`,
    `<rect class="card" x="0.5" y="0.5" width="${width - 1}" height="${height - 1}" rx="8"/>`,
    ...items,
    ...words(plot, width, top),
    ...panels.flatMap((panel, at) => {
      const frame = { left: margin.left + at * (panelWidth + gap), top, x, y }
      return renderPanel(panel, frame, at === 0)
    }),
    '</svg>\n',
  ].join('\n')
}

/** The title, what the axes are, and the small print. */
function words({ title, xLabel, yLabel, remarks }: Plot, width: number, top: number): string[] {
  const bottom = top + panelHeight
  const middle = top + panelHeight / 2
  const small = { class: 'small', 'text-anchor': 'middle' }
  return [
    text(margin.left, 32, title, { class: 'title' }),
    text(20, middle, yLabel, { ...small, transform: `rotate(-90 20 ${middle})` }),
    text((width + margin.left - margin.right) / 2, bottom + 38, xLabel, small),
    ...remarks.map((remark, at) =>
      text(margin.left, bottom + 62 + at * remarkHeight, remark, { class: 'small' }),
    ),
  ]
}

function renderPanel({ title, series }: Panel, { left, top, x, y }: Frame, hasLabels: boolean): string[] {
  const xOf = (value: number) => left + 10 + share(value, x) * (panelWidth - 20)
  const yOf = (value: number) => top + (1 - share(value, y)) * panelHeight
  const bottom = top + panelHeight
  return [
    text(left, top - 10, title, { class: 'panel' }),
    ...y.ticks.flatMap((tick) => [
      line('grid', left, yOf(tick), left + panelWidth, yOf(tick)),
      ...(hasLabels ? [text(left - 8, yOf(tick) + 4, label(tick), { 'text-anchor': 'end' })] : []),
    ]),
    ...x.ticks.flatMap((tick) => [
      line('grid', xOf(tick), top, xOf(tick), bottom),
      text(xOf(tick), bottom + 18, tick.toLocaleString('en'), { 'text-anchor': 'middle' }),
    ]),
    line('axis', left, bottom, left + panelWidth, bottom),
    // The first last, to lie on top.
    ...series.toReversed().flatMap((one) => renderSeries(one, xOf, yOf)),
  ]
}

function renderSeries(
  { name, colour, isDashed, points }: Series,
  xOf: (value: number) => number,
  yOf: (value: number) => number,
): string[] {
  const stroke = palette[colour % palette.length]!
  const places = points.map((point) => `${round(xOf(point.x))},${round(yOf(point.y))}`)
  return [
    `<polyline points="${places.join(' ')}" fill="none"${strokeOf(colour, isDashed)}/>`,
    ...points.map(
      (point) =>
        `<circle class="dot" cx="${round(xOf(point.x))}" cy="${round(yOf(point.y))}" r="4" fill="${stroke}"><title>${escaped(`${name}: ${point.x.toLocaleString('en')}, ${point.y.toPrecision(2)} s`)}</title></circle>`,
    ),
  ]
}

/** Samples of the lines with their names, in as many rows as they need. */
function legend(series: readonly Series[], width: number): { items: string[]; rows: number } {
  let left = margin.left
  let row = 0
  const items = series.flatMap(({ name, colour, isDashed }) => {
    const needed = 30 + name.length * letterWidth + 16
    if (left + needed > width && left > margin.left) {
      left = margin.left
      row++
    }
    const at = left
    const y = legendTop + row * legendRowHeight
    left += needed
    return [
      `<line x1="${round(at)}" y1="${y}" x2="${round(at + 24)}" y2="${y}"${strokeOf(colour, isDashed)}/>`,
      text(at + 30, y + 4, name, {}),
    ]
  })
  return { items, rows: row + 1 }
}

function strokeOf(colour: number, isDashed: boolean): string {
  const dashes = isDashed ? ' stroke-dasharray="6 4"' : ''
  return ` stroke="${palette[colour % palette.length]}" stroke-width="${colour === 0 ? 3 : 1.8}"${dashes}`
}

/** Ticks at the sizes that were measured. */
function sizesAxis(values: readonly number[]): Axis {
  const ticks = [...new Set(values)].sort((a, b) => a - b)
  return { low: ticks[0] ?? 1, high: ticks.at(-1) ?? 1, ticks }
}

/** Whole powers of ten around the values. */
function decadesAxis(values: readonly number[]): Axis {
  const positive = values.filter((value) => value > 0)
  const first = Math.floor(Math.log10(Math.min(...positive)))
  const last = Math.max(first + 1, Math.ceil(Math.log10(Math.max(...positive))))
  const ticks = Array.from({ length: last - first + 1 }, (_, at) => Number(`1e${first + at}`))
  return { low: ticks[0]!, high: ticks.at(-1)!, ticks }
}

/** Where a value lies on a logarithmic axis, from 0 to 1. What is below the axis lies on it. */
function share(value: number, { low, high }: Axis): number {
  if (high === low) return 0.5
  return (Math.log(Math.max(value, low)) - Math.log(low)) / (Math.log(high) - Math.log(low))
}

function label(value: number): string {
  return value >= 1000 ? value.toLocaleString('en') : String(value)
}

function line(name: string, x1: number, y1: number, x2: number, y2: number): string {
  return `<line class="${name}" x1="${round(x1)}" y1="${round(y1)}" x2="${round(x2)}" y2="${round(y2)}"/>`
}

function text(x: number, y: number, content: string, attributes: Record<string, string>): string {
  const rest = Object.entries(attributes).map(([name, value]) => ` ${name}="${value}"`)
  return `<text x="${round(x)}" y="${round(y)}"${rest.join('')}>${escaped(content)}</text>`
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}

function escaped(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')
}

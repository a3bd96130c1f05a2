import assert from 'node:assert/strict'
import { test } from 'node:test'
import { slopeOf } from './curves.ts'
import { type Panel, renderPlot } from './plot.ts'

const panel = (title: string, ...values: number[][]): Panel => ({
  title,
  series: values.map((ys, at) => ({
    name: `tool ${at} <&>`,
    colour: at,
    isDashed: at === 1,
    points: ys.map((y, place) => ({ x: 10 ** (place + 3), y })),
  })),
})

const plot = (...panels: Panel[]) =>
  renderPlot({ title: 'A & B', xLabel: 'packages', yLabel: 'seconds', remarks: ['small print'], panels })

const placesOf = (svg: string) =>
  [...svg.matchAll(/<polyline points="([^"]*)"/g)].map(([, points]) =>
    points!.split(' ').map((point) => point.split(',').map(Number) as [number, number]),
  )

/** Panel by panel; in each, the last series is drawn first. */
const linesOf = (svg: string, seriesCount: number) => {
  const places = placesOf(svg)
  return Array.from({ length: places.length / seriesCount }, (_, panel) =>
    places.slice(panel * seriesCount, (panel + 1) * seriesCount).reverse(),
  )
}

test('a cost that grows with the size is a straight line, and ten times as much is a decade higher', () => {
  const [[linear, flat] = []] = linesOf(plot(panel('one', [0.01, 0.1, 1], [0.1, 0.1, 0.1])), 2)
  const [[x0, y0], [x1, y1], [x2, y2]] = linear as [[number, number], [number, number], [number, number]]
  assert.ok(Math.abs(x1 - x0 - (x2 - x1)) < 0.2)
  assert.ok(Math.abs(y0 - y1 - (y1 - y2)) < 0.2 && y0 > y1)
  assert.deepEqual(new Set(flat!.map(([, y]) => y)), new Set([y1]))
})

test('panels share their axes: the same value is at the same height in each', () => {
  const [one, two] = placesOf(plot(panel('one', [0.01, 1]), panel('two', [0.01, 100])))
  assert.equal(one![0]![1], two![0]![1])
  assert.ok(two![1]![1] < one![1]![1])
})

test('it is one well-formed element, with names escaped and dashes where they are asked for', () => {
  const svg = plot(panel('one', [0.02, 0.2], [0.03, 0.3]))
  const open: string[] = []
  for (const [, end, name, empty] of svg.matchAll(/<(\/?)([a-z]+)[^>]*?(\/?)>/g)) {
    if (end === '/') assert.equal(open.pop(), name)
    else if (empty !== '/') open.push(name!)
  }
  assert.deepEqual(open, [])
  assert.match(svg, /^<svg [^>]*aria-label="A &amp; B"/)
  assert.match(svg, />tool 1 &lt;&amp;></)
  assert.equal(svg.match(/stroke-dasharray/g)?.length, 2) // the line, and its sample in the legend
  assert.match(svg, /prefers-color-scheme:dark/)
})

test('a slope is the exponent of growth', () => {
  const curve = (exponent: number) =>
    [1000, 10_000, 60_000].map((packages) => ({ packages, cpuSeconds: 3e-5 * packages ** exponent }))
  for (const exponent of [0, 0.3, 1, 2]) assert.ok(Math.abs(slopeOf(curve(exponent)) - exponent) < 1e-9)
})

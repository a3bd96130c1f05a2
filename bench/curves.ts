// Cost curves: what something costs by the size of what it is done to, and how that grows.
import type { Table } from './report.ts'

/** One point of a curve. */
export interface Point {
  readonly who: string
  readonly packages: number
  readonly changed: number
  readonly cpuSeconds: number
}

/** The points of each, by size. */
export function curvesOf(points: readonly Point[], changed: number): Map<string, Point[]> {
  const curves = Map.groupBy(
    points.filter((point) => point.changed === changed),
    ({ who }) => who,
  )
  for (const curve of curves.values()) curve.sort((a, b) => a.packages - b.packages)
  return curves
}

/**
 * The exponent of growth, cost ~ size^slope: the least-squares line through the logarithms. NaN for a single size.
 */
export function slopeOf(curve: readonly Pick<Point, 'packages' | 'cpuSeconds'>[]): number {
  const logs = curve.map(({ packages, cpuSeconds }) => [Math.log(packages), Math.log(cpuSeconds)] as const)
  const meanX = logs.reduce((sum, [x]) => sum + x, 0) / logs.length
  const meanY = logs.reduce((sum, [, y]) => sum + y, 0) / logs.length
  const products = logs.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0)
  return products / logs.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0)
}

/** Milliseconds for each 1000 packages more, between the two largest suites. */
function marginalOf(curve: readonly Point[]): number {
  const [before, last] = curve.slice(-2)
  if (before === undefined || last === undefined) return Number.NaN
  return ((last.cpuSeconds - before.cpuSeconds) * 1e6) / (last.packages - before.packages)
}

export function renderCurves(changed: number, points: readonly Point[]): Table {
  const curves = curvesOf(points, changed)
  const sizes = [...new Set(points.map(({ packages }) => packages))].sort((a, b) => a - b)
  const rows = [...curves].map(([who, curve]) => [
    who,
    ...sizes.map((size) => curve.find(({ packages }) => packages === size)?.cpuSeconds.toFixed(3) ?? ''),
    slopeOf(curve).toFixed(2),
    marginalOf(curve).toFixed(2),
  ])
  return {
    title: `CPU seconds by size of the suite, ${changed} packages changed`,
    budget: 'linear only in copying and hashing',
    heads: ['who', ...sizes.map((size) => size.toLocaleString('en')), 'slope (log-log)', 'ms per 1,000 more'],
    rows,
  }
}

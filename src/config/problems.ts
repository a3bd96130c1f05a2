// What is wrong with a configuration, as a person reads it: each problem with its line and the nearest known word.
import { isMap, type LineCounter, type Node, type Document as YamlDocument } from 'yaml'
import type { z } from 'zod'
import { configShape } from './shape.ts'
import { nearest } from './suggest.ts'

export interface Problem {
  line: number
  text: string
}

export type Complain = (at: readonly PropertyKey[], why: string) => void

/** One zod issue as problems for a person; an unknown key comes with the nearest known one. */
export function describe(issue: z.core.$ZodIssue, place: (at: readonly PropertyKey[]) => number): Problem[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => {
      const known = nearest(key, keysAt(configShape, issue.path))
      const hint = known === null ? '' : `; did you mean "${known}"?`
      return {
        line: place([...issue.path, key]),
        text: `unknown setting "${[...issue.path, key].join('.')}"${hint}`,
      }
    })
  }
  if (issue.code === 'invalid_key') {
    return issue.issues.map((inner) => ({
      line: place(issue.path),
      text: `${issue.path.join('.')} ${inner.message}`,
    }))
  }
  if (issue.code === 'invalid_union') {
    // The branch that got furthest is the one that was meant.
    const branches = issue.errors.map((branch) =>
      branch.map((inner) => ({ ...inner, path: [...issue.path, ...inner.path] })),
    )
    const best = branches.sort((a, b) => depth(b) - depth(a))[0] ?? []
    if (best.length > 0) return best.flatMap((inner) => describe(inner as z.core.$ZodIssue, place))
  }
  const name = issue.path.join('.') || 'the file'
  const isMissing = issue.code === 'invalid_type' && issue.message.includes('received undefined')
  return [
    {
      line: place(issue.path),
      text: isMissing ? `${name} is missing` : `${name} ${lowerFirst(issue.message)}`,
    },
  ]
}

function depth(issues: readonly { path: readonly PropertyKey[]; code: string }[]): number {
  return Math.max(...issues.map((issue) => issue.path.length * 2 + (issue.code === 'invalid_type' ? 0 : 1)))
}

function lowerFirst(text: string): string {
  return text.replace(/^Invalid input: /, '').replace(/^[A-Z]/, (letter) => letter.toLowerCase())
}

/** The keys that an object at a path may have. */
function keysAt(shape: z.ZodType, path: readonly PropertyKey[]): string[] {
  let found: z.ZodType[] = [shape]
  for (const step of path) found = found.flatMap((one) => childrenOf(one, step))
  return found.flatMap((one) => Object.keys(shapeOf(one) ?? {}))
}

function shapeOf(type: z.ZodType): Record<string, z.ZodType> | null {
  const definition = type.def as { type: string; shape?: Record<string, z.ZodType> }
  return definition.type === 'object' ? (definition.shape ?? {}) : null
}

function childrenOf(type: z.ZodType, step: PropertyKey): z.ZodType[] {
  const definition = type.def as unknown as Record<string, unknown> & { type: string }
  switch (definition.type) {
    case 'object': {
      const child = shapeOf(type)?.[String(step)]
      return child === undefined ? [] : unwrap(child)
    }
    case 'array':
      return unwrap(definition.element as z.ZodType)
    case 'record':
      return unwrap(definition.valueType as z.ZodType)
    default:
      return []
  }
}

/** Looks through defaults, options, transforms and unions. */
function unwrap(type: z.ZodType): z.ZodType[] {
  const definition = type.def as unknown as Record<string, unknown> & { type: string }
  if (definition.type === 'union') return (definition.options as z.ZodType[]).flatMap(unwrap)
  const inner = (definition.innerType ?? definition.in) as z.ZodType | undefined
  return inner === undefined ? [type] : unwrap(inner)
}

/** The line of the deepest node that exists on a path; the key's line, where the value is the problem. */
export function lineOf(document: YamlDocument, lines: LineCounter, path: readonly PropertyKey[]): number {
  for (let length = path.length; length > 0; length--) {
    const parent = length === 1 ? document.contents : document.getIn(path.slice(0, length - 1), true)
    const key = path[length - 1]
    if (isMap(parent)) {
      const pair = parent.items.find((item) => String((item.key as Node | null)?.toJSON()) === String(key))
      const range = (pair?.key as Node | null | undefined)?.range
      if (range) return lines.linePos(range[0]).line
    }
    const node = document.getIn(path.slice(0, length), true) as Node | undefined
    if (node?.range) return lines.linePos(node.range[0]).line
  }
  return 1
}

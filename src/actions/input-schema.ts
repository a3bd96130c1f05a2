// An action's input as JSON Schema, made of the very shape that checks it: what the API's description says, and how it
// reads a query.
import { z } from 'zod'
import { parseInput } from './action.ts'
import type { AnyAction } from './registry.ts'

export interface JsonSchema {
  readonly [keyword: string]: unknown
}

export interface InputSchema extends JsonSchema {
  readonly type: 'object'
  readonly properties: Readonly<Record<string, JsonSchema>>
  readonly required?: readonly string[]
}

export function inputSchema(action: AnyAction): InputSchema {
  const { $schema: _dialect, ...schema } = z.toJSONSchema(action.input, {
    io: 'input',
    unrepresentable: 'any',
  })
  // What the shape would pass over in silence is refused: a mistyped "reson" must not be lost.
  return { ...schema, additionalProperties: false } as unknown as InputSchema
}

type Simple = 'string' | 'integer' | 'boolean' | 'list'

/** How a value may stand in a query; null for what cannot. */
export function simpleType(schema: JsonSchema): Simple | null {
  const choices = Array.isArray(schema.anyOf) ? (schema.anyOf as JsonSchema[]) : [schema]
  const types = choices
    .flatMap((choice) => choice.type as string | readonly string[])
    .filter((type) => type !== 'null')
  const [type] = types
  if (types.length !== 1) return null
  if (type === 'array') return simpleType(schema.items as JsonSchema) === 'string' ? 'list' : null
  return type === 'string' || type === 'integer' || type === 'boolean' ? type : null
}

/** May be asked for by GET: it changes nothing, and all of its input fits into a query. */
export function isReadByGet(action: AnyAction): boolean {
  if (action.role !== 'viewer') return false
  return Object.values(inputSchema(action).properties).every((property) => simpleType(property) !== null)
}

/** A query as input; what does not fit its type is left as it is, for the shape to refuse. */
export function queryInput(schema: InputSchema, query: URLSearchParams): Record<string, unknown> {
  const names = [...new Set(query.keys())]
  return Object.fromEntries(
    names.map((name) => [name, readValues(schema.properties[name], query.getAll(name))]),
  )
}

function readValues(property: JsonSchema | undefined, values: readonly string[]): unknown {
  const type = property === undefined ? null : simpleType(property)
  if (type === 'list') return values
  const [value] = values
  if (values.length !== 1 || value === undefined) return values
  if (type === 'boolean' && (value === 'true' || value === 'false')) return value === 'true'
  if (type === 'integer' && /^-?\d{1,15}$/.test(value)) return Number(value)
  return value
}

/** Input from a program: what is unknown is refused too, and everything is named at once. */
export function parseProgramInput(action: AnyAction, schema: InputSchema, input: unknown): unknown {
  const given = typeof input === 'object' && input !== null ? Object.keys(input) : []
  const unknown = given.filter((name) => !Object.hasOwn(schema.properties, name))
  const known = Object.keys(schema.properties).join(', ') || 'none'
  return parseInput(
    action,
    input,
    unknown.map((name) => `${name}: there is no such field (there are: ${known})`),
    'See /api/v1/openapi.json',
  )
}

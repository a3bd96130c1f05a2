// The API's description, OpenAPI 3.1: made of the registry and the shapes that check input, so that it cannot lie.
import { type InputSchema, inputSchema, isReadByGet, type JsonSchema } from '../actions/input-schema.ts'
import { type AnyAction, actions } from '../actions/registry.ts'

export const apiRoot = '/api/v1'

/** `snapshot rollback` → `/api/v1/snapshot/rollback`; what files are sent to has a name of its own. */
export function pathOf(action: AnyAction): string {
  if (action.takesFiles) return `${apiRoot}/packages`
  return `${apiRoot}/${action.verb.replaceAll(' ', '/')}`
}

/** What each verb does, in one line. */
export type Summaries = ReadonlyMap<string, string>

export function describeApi(summaries: Summaries): JsonSchema {
  const paths = [...actions.values()].map((action) => [pathOf(action), describeAction(action, summaries)])
  return {
    openapi: '3.1.1',
    info: {
      title: 'UUS, the Ubuntu Update Server',
      version: '1',
      description: [
        'Everything the command line does: each verb is a path, its input a JSON object, its answer the document that',
        '`--json` prints. Refusals are answers too: 409, with the result that says why.',
      ].join(' '),
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    security: [{ token: [] }],
    paths: {
      ...Object.fromEntries(paths),
      [`${apiRoot}/login`]: { post: login },
      [`${apiRoot}/openapi.json`]: { get: description },
    },
    components: {
      securitySchemes: {
        token: { type: 'http', scheme: 'bearer', description: 'From "uus user token", or from login' },
      },
      schemas,
      responses: errorResponses,
    },
  }
}

function describeAction(action: AnyAction, summaries: Summaries): JsonSchema {
  const schema = inputSchema(action)
  const shared = {
    summary: summaries.get(action.verb) ?? action.verb,
    tags: [action.verb.split(' ')[0]],
    'x-role': action.role,
    responses: responses(action),
  }
  const words = action.verb.split(/[ -]/)
  const name = words.map((word, index) => (index === 0 ? word : capital(word))).join('')
  return {
    post: { ...shared, operationId: name, requestBody: action.takesFiles ? formBody(schema) : body(schema) },
    ...(isReadByGet(action)
      ? { get: { ...shared, operationId: `get${capital(name)}`, parameters: parameters(schema) } }
      : {}),
  }
}

function body(schema: InputSchema): JsonSchema {
  return {
    required: (schema.required ?? []).length > 0,
    content: { 'application/json': { schema } },
  }
}

/** Fields are text, and stand before the files where the sender has a choice. */
function formBody({ properties, required = [], ...schema }: InputSchema): JsonSchema {
  const { files: _staged, ...fields } = properties
  const file = { type: 'array', items: { type: 'string', contentMediaType: 'application/octet-stream' } }
  const form = {
    ...schema,
    properties: {
      ...fields,
      file: { ...file, description: 'Packages, or a .changes with all that it lists' },
    },
    required: required.map((name) => (name === 'files' ? 'file' : name)),
  }
  return { required: true, content: { 'multipart/form-data': { schema: form } } }
}

function parameters(schema: InputSchema): JsonSchema[] {
  return Object.entries(schema.properties).map(([name, property]) => ({
    name,
    in: 'query',
    required: schema.required?.includes(name) ?? false,
    schema: property,
  }))
}

function capital(word: string): string {
  return `${word[0]!.toUpperCase()}${word.slice(1)}`
}

const json = (schema: JsonSchema) => ({ 'application/json': { schema } })
const reference = (name: string) => ({ $ref: `#/components/schemas/${name}` })

const schemas = {
  Result: {
    type: 'object',
    description: 'As "--json" prints it; a list stands under "items"',
    properties: {
      status: {
        enum: ['done', 'nothing', 'refused', 'failed'],
        description: '"nothing": there was nothing to do; "refused": a gate or guard stands in the way',
      },
    },
    required: ['status'],
  },
  Error: {
    type: 'object',
    properties: {
      error: {
        type: 'object',
        properties: {
          code: { type: 'string', description: 'For programs: stays as it is' },
          message: { type: 'string', description: 'For people' },
          hint: { type: 'string', description: 'What to do next' },
          details: {
            type: 'array',
            items: { type: 'string' },
            description: 'Further problems of the same kind',
          },
        },
        required: ['code', 'message'],
      },
    },
    required: ['error'],
  },
}

const error = (text: string) => ({ description: text, content: json(reference('Error')) })

const errorResponses = {
  Malformed: error('The input is wrong; all its problems are named'),
  Unauthenticated: error('No token, or one that is good no more'),
  Forbidden: error('The token is good, its user may not do this'),
  Unknown: error('Something that was named does not exist'),
  TooLarge: error('The body is larger than any input is'),
  TooMany: error('Too many failures from this address; see Retry-After'),
  Failed: error('It failed; nothing is half done'),
  Busy: error('Not at this moment; repeat it'),
}

const response = (name: keyof typeof errorResponses) => ({ $ref: `#/components/responses/${name}` })

function responses({ role }: Pick<AnyAction, 'role'>): JsonSchema {
  return {
    200: {
      description: `Done, or nothing to do. For ${role}s and above`,
      content: json(reference('Result')),
    },
    400: response('Malformed'),
    401: response('Unauthenticated'),
    403: response('Forbidden'),
    404: response('Unknown'),
    409: {
      description: 'Refused: the result says by what; or it stops and asks',
      content: json({ anyOf: [reference('Result'), reference('Error')] }),
    },
    413: response('TooLarge'),
    429: response('TooMany'),
    500: {
      description: 'It failed: the result says what; or an error',
      content: json({ anyOf: [reference('Result'), reference('Error')] }),
    },
    502: response('Failed'),
    503: response('Busy'),
  }
}

const login = {
  operationId: 'login',
  summary: 'A token for name and password, good for 12 hours',
  security: [],
  requestBody: {
    required: true,
    content: json({
      type: 'object',
      properties: { name: { type: 'string' }, password: { type: 'string', format: 'password' } },
      required: ['name', 'password'],
      additionalProperties: false,
    }),
  },
  responses: {
    200: {
      description: 'The token; it is shown only now',
      content: json({
        type: 'object',
        properties: {
          token: { type: 'string' },
          name: { type: 'string' },
          role: { type: 'string' },
          expiresAt: { type: 'string', format: 'date-time' },
        },
        required: ['token', 'name', 'role', 'expiresAt'],
      }),
    },
    400: response('Malformed'),
    401: response('Unauthenticated'),
    403: response('Forbidden'),
    413: response('TooLarge'),
    429: response('TooMany'),
  },
}

const description = {
  operationId: 'describe',
  summary: 'This document',
  security: [],
  responses: { 200: { description: 'OpenAPI 3.1', content: json({ type: 'object' }) } },
}

// `/api/v1`: every action over HTTP, for whoever has a token. One route serves them all; none is written here.
import express, { type NextFunction, type Request, type Response, type Router } from 'express'
import type { Call, Outcome, ServerContext, Status } from '../actions/action.ts'
import { type Authenticator, type Caller, isAtLeast, logIn, roleFor } from '../actions/authenticate.ts'
import {
  type InputSchema,
  inputSchema,
  isReadByGet,
  parseProgramInput,
  queryInput,
} from '../actions/input-schema.ts'
import { type AnyAction, actions } from '../actions/registry.ts'
import { refuseOnSlave } from '../actions/roles.ts'
import { UusError } from '../lib/errors.ts'
import { Failures } from './failures.ts'
import { apiRoot, describeApi, pathOf, type Summaries } from './openapi.ts'
import { receiveForm } from './receive.ts'
import { bearerToken, isReadOnTheWay } from './tokens.ts'

export interface ApiOptions {
  readonly authenticator: Authenticator
  /** What each verb does, in one line. */
  readonly summaries: Summaries
  /** Tokens are taken where others on the way can read them. */
  readonly allowsHttp: boolean
  onError(error: UusError, path: string): void
}

const maxBodyBytes = 1 << 20
const acceptMs = 1_800_000
const statusCodes: Record<Status, number> = { done: 200, nothing: 200, refused: 409, failed: 500 }

interface Route {
  readonly action: AnyAction
  readonly schema: InputSchema
  readonly hasGet: boolean
}

/** To be mounted at the root: it knows its own paths. */
export function createApi(context: ServerContext, options: ApiOptions): Router {
  const routes = new Map<string, Route>(
    [...actions.values()].map((action) => [
      pathOf(action),
      { action, schema: inputSchema(action), hasGet: isReadByGet(action) },
    ]),
  )
  const description = describeApi(options.summaries)
  const failures = new Failures(() => context.clock.now())
  const router = express.Router({ caseSensitive: true, strict: true })
  router.use(apiRoot, (_request, response, next) => {
    response.set('Cache-Control', 'no-store')
    next()
  })
  router.get(`${apiRoot}/openapi.json`, (_request, response) => void response.json(description))
  router.post(
    `${apiRoot}/login`,
    guarded(options, failures),
    readBody,
    async (request: Request, response: Response) => {
      const { name, password } = readLogin(request.body)
      const caller = await options.authenticator.byPassword(name, password)
      if (caller === null) throw failed(failures, request, 'The name or the password is wrong')
      const { status: _status, ...answer } = await logIn(context, caller)
      response.json(answer)
    },
  )
  router.all(`${apiRoot}/*verb`, async (request, response) => {
    const route = routes.get(request.path)
    if (route === undefined) throw unknownPath(request.path)
    if (request.method !== 'POST' && !(request.method === 'GET' && route.hasGet)) {
      response.set('Allow', route.hasGet ? 'GET, POST' : 'POST')
      response.status(405).json({ error: wrongMethod(request.method, route).toValue() })
      return
    }
    refusePlainHttp(options, request)
    const caller = authenticate(options, failures, request, response)
    refuseRole(caller, route.action.role, route.action)
    // Nobody's body is read before it is known who sends it.
    if (route.action.takesFiles) {
      // Looking into a large package takes longer than a silent line is borne with.
      request.socket.setTimeout(acceptMs)
      await using form = await receiveForm(context.uploads, request)
      const files = form.files.map(({ name, sha256, sizeBytes }) => ({ name, sha256, sizeBytes }))
      await answer(context, route, caller, { ...form.fields, files }, response)
      return
    }
    if (request.method === 'POST') await bodyOf(request, response)
    const query = new URLSearchParams(request.url.split('?')[1] ?? '')
    const given = request.method === 'GET' ? queryInput(route.schema, query) : (request.body ?? {})
    await answer(context, route, caller, given, response)
  })
  router.use(apiRoot, (error: unknown, request: Request, response: Response, next: NextFunction) => {
    if (response.headersSent) next(error)
    else sendError(options, refusal(error), request, response)
  })
  return router
}

/** JSON, whatever the header says: there is nothing else that it could be. */
const readBody = express.json({ limit: maxBodyBytes, type: () => true, strict: true })

function bodyOf(request: Request, response: Response): Promise<void> {
  return new Promise((resolve, reject) => {
    readBody(request, response, (error?: unknown) => (error === undefined ? resolve() : reject(error)))
  })
}

async function answer(
  context: ServerContext,
  { action, schema }: Route,
  caller: Caller,
  given: unknown,
  response: Response,
): Promise<void> {
  refuseOnSlave(context.config, action.verb)
  const input = parseProgramInput(action, schema, given)
  refuseRole(caller, roleFor(action, input), action)
  const call: Call = { actor: { name: caller.name, via: 'api' }, emit: () => {} }
  const result: Outcome = await action.run(context, input, call)
  response.status(statusCodes[result.status]).json(result)
}

/** Who holds the token of a request. */
function authenticate(
  { authenticator }: ApiOptions,
  failures: Failures,
  request: Request,
  response: Response,
): Caller {
  const token = bearerToken(request)
  if (token === null) throw unauthenticated('A token is needed')
  // Looked at even if the address failed too often: others behind it may have good ones.
  const caller = authenticator.byToken(token)
  if (caller !== null) return caller
  refuseIfTooMany(failures, request, response)
  throw failed(failures, request, 'The token is not good, or not any more')
}

function failed(failures: Failures, request: Request, message: string): UusError {
  failures.count(request.socket.remoteAddress ?? '')
  return unauthenticated(message)
}

function unauthenticated(message: string): UusError {
  return new UusError('UNAUTHENTICATED', message, {
    hint: 'Send "Authorization: Bearer TOKEN"; an administrator makes one with "uus user token NAME"',
  })
}

function refuseIfTooMany(failures: Failures, request: Request, response: Response): void {
  const seconds = failures.pause(request.socket.remoteAddress ?? '')
  if (seconds === null) return
  response.set('Retry-After', String(seconds))
  throw new UusError('TOO_MANY_REQUESTS', 'Too many failed attempts from your address', {
    hint: `Try again in ${seconds} seconds`,
  })
}

/** Passwords take long to check: not even looked at where too many were wrong. */
function guarded(options: ApiOptions, failures: Failures) {
  return (request: Request, response: Response, next: NextFunction) => {
    refusePlainHttp(options, request)
    refuseIfTooMany(failures, request, response)
    next()
  }
}

function refuseRole({ name, role }: Caller, needed: AnyAction['role'], { verb }: AnyAction): void {
  if (isAtLeast(role, needed)) return
  throw new UusError('FORBIDDEN', `${name} is ${role}; "${verb}" as it is asked for is for ${needed}s`, {
    hint: 'Ask an administrator, who can change that with "uus user role"',
  })
}

function refusePlainHttp({ allowsHttp }: ApiOptions, request: Request): void {
  if (allowsHttp || !isReadOnTheWay(request)) return
  throw new UusError(
    'FORBIDDEN',
    'Secrets are not taken over plain http, where everybody on the way can read them',
    {
      hint: 'Use https ("tls" in the configuration); revoke the token that was sent; or set "api: {allow-http: true}"',
    },
  )
}

function readLogin(body: unknown): { name: string; password: string } {
  const { name, password } = (body ?? {}) as Record<string, unknown>
  if (typeof name === 'string' && typeof password === 'string' && password.length <= 1000)
    return { name, password }
  throw new UusError('USAGE', 'A login has "name" and "password", both text', {
    hint: `See ${apiRoot}/openapi.json`,
  })
}

function unknownPath(path: string): UusError {
  return new UusError('UNKNOWN_NAME', `There is nothing at ${path}`, { hint: `See ${apiRoot}/openapi.json` })
}

function wrongMethod(method: string, { action, hasGet }: Route): UusError {
  return new UusError('USAGE', `${method} is not possible for "${action.verb}"`, {
    hint: hasGet ? 'Use GET or POST' : 'Use POST',
  })
}

/** What Express refused by itself, in our words. */
function refusal(error: unknown): UusError {
  const { type } = error as { type?: unknown }
  if (type === 'entity.too.large') {
    return new UusError('REQUEST_TOO_LARGE', `The body is larger than ${maxBodyBytes} bytes`, {
      hint: 'Ask for less at once',
    })
  }
  if (typeof type === 'string' || error instanceof URIError) {
    return new UusError(
      'USAGE',
      'The request cannot be understood: its body must be one JSON object in UTF-8',
      {
        hint: `See ${apiRoot}/openapi.json`,
      },
    )
  }
  return UusError.from(error)
}

function sendError(options: ApiOptions, error: UusError, request: Request, response: Response): void {
  const { httpStatus } = error.descriptor
  if (httpStatus >= 500) options.onError(error, request.path)
  if (httpStatus === 401) response.set('WWW-Authenticate', 'Bearer realm="UUS"')
  if (httpStatus === 429 && !response.hasHeader('Retry-After')) response.set('Retry-After', '10')
  // What is inside is for the log.
  const shown =
    error.code === 'INTERNAL' ? new UusError('INTERNAL', 'Internal error', { hint: 'See the log' }) : error
  response.status(httpStatus).json({ error: shown.toValue() })
}

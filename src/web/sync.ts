// `/sync/v1`: what slaves ask. docs/sync.md describes it. Tokens are taken only where nobody on the way can read them.
import express, { type NextFunction, type Request, type Response, Router } from 'express'
import type { Caller, SyncSource } from '../actions/sync-source.ts'
import { UusError } from '../lib/errors.ts'
import { bearerToken, isReadOnTheWay } from './tokens.ts'

export interface SyncPages {
  readonly source: SyncSource
  /** Tokens are taken over plain http too. */
  readonly allowsHttp: boolean
}

/** More than the events of any batch, or the report of a tree of servers. */
const maxBody = '8mb'

export function syncPages({ source, allowsHttp }: SyncPages): Router {
  const pages = Router()
  const body = express.text({ type: '*/*', limit: maxBody })

  pages.use((request: Request, response: Response, next: NextFunction) => {
    refuseOpenToken(request, allowsHttp)
    response.locals.caller = source.authenticate(bearerToken(request))
    source.refuseLoop(request.get('uus-server') ?? null)
    response.set('Cache-Control', 'no-store')
    next()
  })

  pages.get('/', (_request, response) => {
    source.contact(callerOf(response), null)
    response.json(source.hello(callerOf(response)))
  })

  pages.get('/channels/:name', async (request, response) => {
    const caller = callerOf(response)
    source.contact(caller, null)
    const gone = new AbortController()
    response.once('close', () => gone.abort())
    const waitSeconds = Number(request.query.wait ?? 0) || 0
    const after = typeof request.query.after === 'string' ? request.query.after : null
    const bytes = await source.manifest(caller, request.params.name, after, waitSeconds, gone.signal)
    if (response.destroyed) return
    if (bytes === null) response.status(204).end()
    else response.type('text/plain').send(bytes)
  })

  pages.get('/documents/:digest', (request, response) => {
    const bytes = source.document(request.params.digest)
    if (bytes === null) response.status(404).type('text/plain').send('No manifest names this document\n')
    else response.type('application/octet-stream').send(bytes)
  })

  pages.post('/report', body, (request, response) => {
    source.contact(callerOf(response), textOf(request))
    response.status(204).end()
  })

  pages.post('/events', body, async (request, response) => {
    await source.events(callerOf(response), textOf(request))
    response.status(204).end()
  })
  return pages
}

function callerOf(response: Response): Caller {
  return response.locals.caller as Caller
}

function textOf(request: Request): string {
  return typeof request.body === 'string' ? request.body : ''
}

/** TLS_REQUIRED where others could read what the request shows. */
export function refuseOpenToken(request: Pick<Request, 'socket'>, allowsHttp: boolean): void {
  if (allowsHttp || !isReadOnTheWay(request)) return
  throw new UusError('TLS_REQUIRED', 'This server takes no token over plain http', {
    hint: 'Use its https:// address, or set "sync.allow-http: true" on it',
  })
}

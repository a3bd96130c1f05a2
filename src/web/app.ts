// Everything over HTTP that is not an archive: enrolment files, keys, health. Express; renders actions.
import express, { type NextFunction, type Request, type Response } from 'express'
import { type Call, parseInput, type ServerContext } from '../actions/action.ts'
import { conf, pins, publicKeysOf, publishedChannel, sources } from '../actions/client-files.ts'
import { auditName, joinAuditKeys } from '../actions/keys.ts'
import { renderMirrorList } from '../actions/mirror-list.ts'
import { onSlave } from '../actions/roles.ts'
import { UusError } from '../lib/errors.ts'
import { formatIso } from '../lib/units.ts'
import { type ApiOptions, createApi } from './api.ts'
import { createMetrics, type Watched } from './metrics.ts'
import { type SyncPages, syncPages } from './sync.ts'
import { addUpload } from './upload.ts'

export interface Health extends Watched {
  /** Alarms that are on. */
  alarms(): readonly { readonly key: string; readonly message: string; readonly hint: string | null }[]
  /** The audit log's newest one: who keeps it notices if the log is ever made anew. */
  checkpoint(): { readonly sequence: number; readonly head: string; readonly at: number } | null
}

const anonymous: Call = { actor: { name: 'anonymous', via: 'api' }, emit: () => {} }

/** `api` null: what clients, slaves and their monitoring need, and nothing else. */
export function createApp(
  context: ServerContext,
  health: Health,
  slaves: SyncPages,
  api: ApiOptions | null,
): express.Express {
  const app = express()
  app.disable('x-powered-by')
  app.set('etag', false)
  app.use((_request: Request, response: Response, next: NextFunction) => {
    response.set(securityHeaders)
    next()
  })

  app.get('/healthz', (_request, response) => {
    const alarms = health.alarms()
    const channels = [...context.published().channels.values()].map((channel) => ({
      name: channel.name,
      snapshot: channel.head?.id ?? null,
      at: channel.head === null ? null : formatIso(channel.head.at),
    }))
    const newest = health.checkpoint()
    response.json({
      status: alarms.length === 0 ? 'ok' : 'alarm',
      channels,
      audit: newest && { ...newest, at: formatIso(newest.at) },
      // What they say names packages.
      alarms: api === null ? alarms.length : alarms,
    })
  })

  if (api !== null) {
    app.use(createApi(context, api))
    const metrics = createMetrics(context, health)
    app.get('/metrics', async (_request, response) => {
      response.type(metrics.contentType).send(await metrics.metrics())
    })
  }

  app.get('/readyz', (_request, response) => {
    const waiting = [...context.published().channels.values()].filter(
      (channel) => channel.archives.size === 0,
    )
    const isReady = waiting.length === 0 && context.published().channels.size > 0
    response.status(isReady ? 200 : 503).json({
      status: isReady ? 'ready' : 'waiting',
      waiting: waiting.map((channel) => channel.name),
    })
  })

  app.use('/sync/v1', syncPages(slaves))

  const { master } = context.config
  if (master !== null) {
    app.all('/upload/*path', () => {
      throw onSlave('upload', master.url)
    })
  }

  app.get('/mirrors/:channel/:file', (request, response, next) => {
    const { channel, file } = request.params
    const archive = /^(.+)\.list$/.exec(file)?.[1]
    const served = archive === undefined ? undefined : publishedChannel(context.published(), channel)
    if (archive === undefined || served?.head == null || !served.archives.has(archive)) {
      next()
      return
    }
    const text = renderMirrorList(
      {
        channel,
        archive,
        address: request.socket.remoteAddress ?? null,
        country: queryOf(request, 'country'),
      },
      {
        places: context.config.slaves,
        slaves: slaves.source.slaves(),
        snapshot: served.head.id,
        now: context.clock.now(),
        baseUrl: baseUrlFor(context, request),
      },
    )
    response.set('Cache-Control', 'no-cache').type('text/plain').send(text)
  })

  app.get('/:file', async (request, response, next) => {
    const [, name, kind] = /^(.+)\.(sources|pref|conf)$/.exec(request.params.file) ?? []
    if (name === undefined) next()
    else if (kind === 'sources') await sendSources(context, name, request, response)
    else if (kind === 'conf') await sendConf(context, name, request, response)
    else await sendPins(context, name, request, response)
  })

  app.get('/keys/:file', async (request, response, next) => {
    const [, name, kind] = /^(.+)\.(asc|gpg)$/.exec(request.params.file) ?? []
    if (name === undefined) {
      next()
      return
    }
    const published = context.published()
    const { armored, binary } =
      name === auditName
        ? await joinAuditKeys(published.auditKeys)
        : await publicKeysOf(publishedChannel(published, name))
    response.type(kind === 'asc' ? 'text/plain' : 'application/octet-stream')
    response.send(kind === 'asc' ? armored : binary)
  })

  addUpload(app, context)

  app.use((request: Request, response: Response) => {
    response.status(404).type('text/plain').send(`There is nothing at ${request.path}\n`)
  })

  app.use((error: unknown, _request: Request, response: Response, _next: NextFunction) => {
    // Express refuses some requests itself: a path that cannot be decoded, for instance.
    const refusal = refusalOf(error)
    if (refusal !== null) {
      response.status(refusal).type('text/plain').send('The request cannot be understood\n')
      return
    }
    const known = UusError.from(error)
    const text =
      known.code === 'INTERNAL' ? 'Internal error' : [known.message, known.hint].filter(Boolean).join('. ')
    response.status(known.descriptor.httpStatus).type('text/plain').send(`${text}\n`)
  })
  return app
}

/** Browsers are to make nothing of our answers but what they are. */
const securityHeaders = {
  'X-Content-Type-Options': 'nosniff',
  'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Resource-Policy': 'same-origin',
}

function refusalOf(error: unknown): number | null {
  if (error instanceof UusError || !(error instanceof Error) || !('status' in error)) return null
  const { status } = error
  return typeof status === 'number' && status >= 400 && status < 500 ? status : null
}

async function sendSources(
  context: ServerContext,
  name: string,
  request: Request,
  response: Response,
): Promise<void> {
  const input = parseInput(sources, {
    channel: name,
    release: queryOf(request, 'release'),
    key: queryOf(request, 'key') ?? undefined,
    snapshot: queryOf(request, 'snapshot'),
    baseUrl: baseUrlFor(context, request),
  })
  const { text } = await sources.run(context, input, anonymous)
  response.type('text/plain').send(text)
}

async function sendConf(
  context: ServerContext,
  name: string,
  request: Request,
  response: Response,
): Promise<void> {
  const { text } = await conf.run(
    context,
    { channel: name, baseUrl: baseUrlFor(context, request) },
    anonymous,
  )
  response.type('text/plain').send(text)
}

async function sendPins(
  context: ServerContext,
  name: string,
  request: Request,
  response: Response,
): Promise<void> {
  const snapshot = queryOf(request, 'snapshot')
  if (snapshot === null) {
    throw new UusError('USAGE', 'The snapshot to go back to is missing', { hint: 'Add ?snapshot=ID' })
  }
  const { text } = await pins.run(context, { channel: name, snapshot }, anonymous)
  response.type('text/plain').send(text)
}

function queryOf(request: Request, name: string): string | null {
  const value = request.query[name]
  return typeof value === 'string' ? value : null
}

/** As configured, else as the client asked. */
function baseUrlFor(context: ServerContext, request: Request): string {
  return context.config.baseUrl ?? `${request.protocol}://${hostOf(request)}`
}

/** The address that the client used; only what can be one, because it goes into a file. */
function hostOf(request: Request): string {
  const host = request.headers.host ?? ''
  if (!/^[A-Za-z0-9.-]+(:\d+)?$|^\[[0-9a-fA-F:]+\](:\d+)?$/.test(host)) {
    throw new UusError('USAGE', 'The request names no host', { hint: 'Set "base-url" in the configuration' })
  }
  return host
}

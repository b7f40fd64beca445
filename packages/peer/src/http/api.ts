/** Serves a table of routes over HTTP: guard, bounds, validation, and errors that say what to do. */
import { Hono, type HonoRequest } from 'hono'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import { z } from 'zod'
import { systemCodeOf } from '../error.ts'
import { denialOf } from './guard.ts'
import { describeRoutes } from './open-api.ts'
import type { Route } from './route.ts'

/** Requests are a few fields; the longest is an address list. */
const BODY_SIZE_BYTES_MAX = 64 * 1024

export interface ApiOptions {
  readonly routes: readonly Route[]
  /** Hex digits; whoever sends them is served. */
  readonly token: string
  readonly version: string
  /** The text of `/metrics`, and its media type. */
  readonly metrics: () => Promise<{ readonly text: string; readonly contentType: string }>
  /** Told of what should not have happened; the asker gets `INTERNAL`. */
  readonly onError: (error: unknown) => void
}

/** @returns a function of a request, so that tests need no socket */
export function createApi({ routes, token, version, metrics, onError }: ApiOptions): Hono {
  const app = new Hono()
  app.use('*', async (context, next) => {
    const denial = denialOf({ method: context.req.method, header: name => context.req.header(name) }, token)
    if (denial !== undefined) return context.json({ code: denial.code, message: denial.message }, denial.status)
    await next()
    context.header('Cache-Control', 'no-store')
    context.header('X-Content-Type-Options', 'nosniff')
    return undefined
  })
  // By the declared length, which Node's parser holds a body to: nothing is read of one that is too long.
  app.use('*', async (context, next) => {
    const { method } = context.req
    if (method !== 'POST' && method !== 'PUT') return await next()
    const sizeBytes = Number(context.req.header('content-length') ?? Number.NaN)
    if (sizeBytes <= BODY_SIZE_BYTES_MAX) return await next()
    const message = `A request says how long it is, and has at most ${BODY_SIZE_BYTES_MAX} bytes.`
    return context.json({ code: 'TOO_LARGE', message }, 413)
  })
  app.get('/openapi.json', context => context.json(describeRoutes(routes, version)))
  app.get('/metrics', async context => {
    const { text, contentType } = await metrics()
    return context.body(text, 200, { 'Content-Type': contentType })
  })
  for (const route of routes) {
    app.on(route.method, route.path.replace(/\{(\w+)\}/g, ':$1'), async context => {
      const input = route.input.safeParse(await readInput(route, context.req))
      if (!input.success) {
        return context.json({ code: 'BAD_REQUEST', message: z.prettifyError(input.error) }, 400)
      }
      return context.json(toJson(await route.handle(input.data, context.req.raw.signal)) as object)
    })
  }
  app.notFound(context =>
    context.json({ code: 'NO_SUCH_ROUTE', message: 'There is no such route: see /openapi.json.' }, 404)
  )
  app.onError((error, context) => {
    const code = systemCodeOf(error)
    if (code === undefined) onError(error)
    const { details } = error as { details?: Record<string, unknown> }
    return context.json(
      toJson({
        code: code ?? 'INTERNAL',
        message: code === undefined ? 'The daemon failed; its log says why.' : error.message,
        ...(details !== undefined && { details })
      }) as object,
      statusFor(code)
    )
  })
  return app
}

async function readInput({ method }: Route, request: HonoRequest): Promise<unknown> {
  if (method === 'GET' || method === 'DELETE') return { ...request.query(), ...request.param() }
  const body: unknown = await request.json().catch(() => undefined)
  return typeof body === 'object' && body !== null ? { ...body, ...request.param() } : body
}

function statusFor(code: string | undefined): ContentfulStatusCode {
  if (code === undefined) return 500
  if (code.startsWith('NO_') || code.endsWith('_MISSING')) return 404
  return code === 'LEDGER_UNREACHABLE' ? 503 : 409
}

/** Amounts as decimal strings, absent fields left out: what `JSON.stringify` cannot do by itself. */
function toJson(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value, (_, field: unknown) => (typeof field === 'bigint' ? field.toString() : field))
  )
}

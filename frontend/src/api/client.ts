import createClient, { type Middleware } from 'openapi-fetch'
import { keccak256, stringToBytes } from 'viem'
import type { paths } from './schema'

/** RFC 9457 document of a refusal. */
interface ProblemDocument {
  code?: string
  title?: string
  detail?: string
  status?: number
  retryable?: boolean
  what_to_do?: string
}

/** A refusal of the service, with the sentence it gave. */
export class ProblemError extends Error {
  readonly status: number
  readonly code: string
  readonly retryable: boolean
  readonly whatToDo: string
  /** The service's own sentence on this case; empty where it gave only a title. */
  readonly detail: string

  constructor(status: number, document: ProblemDocument) {
    super(document.detail || document.title || `The service answered ${status}.`)
    this.name = 'ProblemError'
    this.status = status
    this.code = document.code ?? `http_${status}`
    this.retryable = document.retryable ?? status >= 500
    this.whatToDo = document.what_to_do ?? ''
    this.detail = document.detail ?? ''
  }
}

/** The service could not be reached at all. */
export class UnreachableError extends Error {
  constructor(cause: unknown) {
    super('The service does not answer. Check your connection.', { cause })
    this.name = 'UnreachableError'
  }
}

/**
 * A signed body, or one that carries its own id, is one action however often it is sent, so its key is its content;
 * anything else is a new action each time.
 */
export function idempotencyKey(path: string, body: string): string {
  if (/"(signature|id)":"/.test(body)) return keccak256(stringToBytes(`${path}\n${body}`)).slice(2, 42)
  return crypto.randomUUID()
}

const idempotent: Middleware = {
  onRequest: async ({ request, schemaPath }) => {
    if (request.method !== 'POST') return undefined
    const json = request.headers.get('content-type')?.startsWith('application/json')
    const body = json ? await request.clone().text() : ''
    request.headers.set('Idempotency-Key', idempotencyKey(`${schemaPath} ${request.url}`, body))
    return request
  },
}

export const api = createClient<paths>({
  baseUrl: typeof location === 'undefined' ? '' : location.origin,
  credentials: 'same-origin',
  fetch: (request: Request) =>
    globalThis.fetch(request).catch((cause: unknown) => {
      throw new UnreachableError(cause)
    }),
})
api.use(idempotent)

interface Answer<T> {
  data?: T
  error?: unknown
  response: Response
}

/** The data of an answer; a refusal becomes a `ProblemError`. */
export async function unwrap<T>(answer: Promise<Answer<T>>): Promise<T> {
  const { data, error, response } = await answer
  if (response.ok) return data as T
  throw new ProblemError(response.status, typeof error === 'object' && error !== null ? error : {})
}

import { HttpResponse, http } from 'msw'
import { setupServer } from 'msw/node'

/** The service as the tests set it up; a request nobody answers fails the test. */
export const server = setupServer()

const at = (path: string) => `http://localhost:8000/api/v1${path}`

/** A GET that answers with JSON. */
export const answers = (path: string, body: unknown) => http.get(at(path), () => HttpResponse.json(body as object))

/** A GET that is refused with a problem document. */
export const refuses = (path: string, status: number, detail: string) =>
  http.get(at(path), () => HttpResponse.json({ status, code: 'test', detail, retryable: false }, { status }))

/** A GET that never answers. */
export const hangs = (path: string) => http.get(at(path), () => new Promise<never>(() => undefined))

/** A POST whose body the test wants to see. */
export const takes = (path: string, body: unknown, seen: (body: unknown) => void) =>
  http.post(at(path), async ({ request }) => {
    seen(await request.json())
    return HttpResponse.json(body as object)
  })

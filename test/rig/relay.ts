// A reverse proxy in front of a server under test: its address is known before the server starts, so it can be the
// `base-url`; it notes what clients ask for, and holds requests back on demand. As a client's HTTP proxy it passes
// everything on to that server, whatever the host, so that programs which take no port in a URL can be tested too.
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export class Relay implements AsyncDisposable {
  readonly #server: Server
  /** Where requests are passed on to. */
  target = ''
  /** Paths that were asked for, with the status of the answer. */
  readonly requests: { readonly path: string; readonly status: number }[] = []
  /** Of answers that came from the server, heads and bodies. */
  receivedBytes = 0
  /** Runs before a request is passed on. */
  before: (path: string) => Promise<void> | void = () => {}

  #isCut = false
  /** Changes what is passed on, the body as a whole; null leaves the answer as it is. */
  bend: ((path: string, body: Buffer) => Buffer | null | 'cut') | null = null

  private constructor() {
    this.#server = createServer((from, to) => void this.#pass(from, to))
  }

  static async start(): Promise<Relay> {
    const relay = new Relay()
    await new Promise<void>((resolve) => relay.#server.listen(0, '127.0.0.1', resolve))
    return relay
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** Paths that were asked for since the last call and given. */
  takePaths(): string[] {
    return this.requests.splice(0).flatMap(({ path, status }) => (status < 400 ? path : []))
  }

  async #pass(from: IncomingMessage, to: ServerResponse): Promise<void> {
    const path = (from.url ?? '/').replace(/^http:\/\/[^/]+/, '')
    if (this.#isCut) {
      to.destroy()
      return
    }
    await this.before(path)
    const passed = request(`${this.target}${path}`, { method: from.method, headers: from.headers })
    passed.on('response', (answer) => {
      this.requests.push({ path, status: answer.statusCode! })
      this.receivedBytes += answer.rawHeaders.join('    ').length
      answer.on('data', (chunk: Buffer) => {
        this.receivedBytes += chunk.length
      })
      if (this.bend !== null) {
        void this.#passBent(path, answer, to)
        return
      }
      to.writeHead(answer.statusCode!, answer.headers)
      answer.pipe(to)
    })
    passed.on('error', () => to.destroy())
    // Whoever waits for news and leaves is gone for the server too.
    to.on('close', () => passed.destroy())
    from.pipe(passed)
  }

  async #passBent(path: string, answer: IncomingMessage, to: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    try {
      for await (const chunk of answer) chunks.push(chunk as Buffer)
    } catch {
      to.destroy()
      return
    }
    const body = Buffer.concat(chunks)
    const bent = this.bend?.(path, body) ?? body
    if (this.#isCut || to.destroyed) to.destroy()
    else if (bent === 'cut') {
      to.writeHead(answer.statusCode!, { ...answer.headers, 'content-length': String(body.length) })
      to.write(body.subarray(0, body.length >> 1), () => to.destroy())
    } else {
      const { 'transfer-encoding': _, ...headers } = answer.headers
      to.writeHead(answer.statusCode!, { ...headers, 'content-length': String(bent.length) }).end(bent)
    }
  }

  /** Nobody answers any more, and what is under way is cut off. */
  async cut(): Promise<void> {
    this.#isCut = true
    this.#server.closeAllConnections()
  }

  mend(): void {
    this.#isCut = false
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}

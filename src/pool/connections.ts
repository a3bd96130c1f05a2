// Connections to upstream servers, kept open between requests: direct or through a proxy, with the TLS files that an
// archive wants, and a separate set for requests that must not reach the inner network.
import { readFile } from 'node:fs/promises'
import { Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import { UusError } from '../lib/errors.ts'
import { lookupOutside } from './addresses.ts'

/** How a server is reached: through which proxy, trusting whom, showing what. Paths of PEM files. */
export interface Transport {
  readonly proxy: string | null
  readonly ca: string | null
  readonly clientCertificate: string | null
  readonly clientKey: string | null
  /** What its own host is shown with each request, and no other. */
  readonly auth?: UpstreamAuth | null
}

/** Credentials for an archive. The token's file is read at each use: it may be renewed. */
export interface UpstreamAuth {
  readonly type: 'bearer' | 'basic'
  /** For basic. */
  readonly user: string
  readonly tokenFile: string
}

/** The header's value; CONFIG_INVALID names a file that cannot be read. */
export async function readAuthorization({ type, user, tokenFile }: UpstreamAuth): Promise<string> {
  const token = (await readSetting(tokenFile)).toString().trim()
  return type === 'bearer' ? `Bearer ${token}` : `Basic ${Buffer.from(`${user}:${token}`).toString('base64')}`
}

export interface Agents {
  readonly http: HttpAgent
  readonly https: HttpsAgent
}

// How many bytes of a body may wait for us: fewer pauses on a fast network.
const readAheadBytes = 512 << 10

export class Connections implements Disposable {
  readonly #agents = new Map<string, Agents>()

  /**
   * `isGuarded`: connects to nothing of the inner network, whatever a name resolves to. Through a proxy names are the
   * proxy's to resolve, and to guard.
   */
  agents({ proxy }: Transport, isGuarded: boolean): Agents {
    const key = `${isGuarded} ${proxy ?? ''}`
    const known = this.#agents.get(key)
    if (known !== undefined) return known
    const options = {
      keepAlive: true,
      highWaterMark: readAheadBytes,
      // Node's own agents speak to a proxy: absolute-form requests for http, CONNECT for https.
      ...(proxy === null ? {} : { proxyEnv: { HTTP_PROXY: proxy, HTTPS_PROXY: proxy } }),
      ...(isGuarded && proxy === null ? { lookup: lookupOutside } : {}),
    }
    const made = { http: new HttpAgent(options), https: new HttpsAgent(options) }
    this.#agents.set(key, made)
    return made
  }

  [Symbol.dispose](): void {
    for (const { http, https } of this.#agents.values()) {
      http.destroy()
      https.destroy()
    }
  }
}

/** The TLS files of a transport, read anew: they are renewed under a running server. */
export async function readTls({ ca, clientCertificate, clientKey }: Transport) {
  return {
    ...(ca === null ? {} : { certificateAuthority: await readSetting(ca) }),
    ...(clientCertificate === null ? {} : { certificate: await readSetting(clientCertificate) }),
    ...(clientKey === null ? {} : { key: await readSetting(clientKey) }),
  }
}

async function readSetting(path: string): Promise<Buffer> {
  try {
    return await readFile(path)
  } catch (error) {
    throw new UusError('CONFIG_INVALID', `Cannot read ${path}: ${(error as Error).message}`, {
      cause: error,
      hint: 'Mend "ca", "client-certificate", "client-key" or "token-file" in the configuration',
    })
  }
}
